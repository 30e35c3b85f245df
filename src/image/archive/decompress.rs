//! Archives are decompressed in bounded memory, whatever their headers ask for.

use std::io::{self, BufRead, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Error as XzError, Stream};

use crate::error::{Context, Error, Result};

/// How an xz file begins.
pub const XZ: &[u8] = b"\xfd7zXZ\0";

/// As much as zstd(1) and its library allow unasked. The largest that xz(1) makes unasked is 64 MiB; the format goes up to
/// 4 GiB, and a file of a hundred bytes may ask for it.
const MAX_WINDOW: u64 = 128 << 20;
/// What liblzma needs besides (32 KiB by lzma_raw_decoder_memusage(3), and the blocks' headers).
const BESIDES: u64 = 1 << 20;

/// The archive in `source`, decompressed if need be.
pub fn reader<'a>(mut source: impl BufRead + Send + 'a) -> Result<Box<dyn Read + Send + 'a>> {
    let is_xz = source.fill_buf().context("cannot read it")?.starts_with(XZ);
    if is_xz {
        let stream = Stream::new_stream_decoder(MAX_WINDOW + BESIDES, CONCATENATED)
            .map_err(|error| Error::failed(format!("cannot decompress it: {error}")))?;
        return Ok(Box::new(Xz(XzDecoder::new_stream(source, stream))));
    }
    let (reader, _) = niffler::send::get_reader(Box::new(source))
        .map_err(|error| Error::failed(format!("cannot decompress it: {error}")))?;
    Ok(Box::new(UntilError(Some(reader))))
}

/// What has failed once is not read again: the decoder of bzip2 (libbz2-rs-sys 0.2.6) panics then.
struct UntilError<R>(Option<R>);

impl<R: Read> Read for UntilError<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(reader) = &mut self.0 else { return Err(io::Error::other("it is damaged")) };
        reader.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.0 = None;
            }
        })
    }
}

struct Xz<R>(XzDecoder<R>);

impl<R: BufRead> Read for Xz<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.get_ref().and_then(|cause| cause.downcast_ref()) {
            Some(XzError::MemLimit) => {
                io::Error::other(format!("its xz dictionary is larger than {} MiB", MAX_WINDOW >> 20))
            }
            _ => error,
        })
    }
}
