//! The layers of an image, streamed into one directory.

use std::io::{self, BufReader, Read};
use std::os::fd::BorrowedFd;

use super::blobs::{Blobs, Stream};
use super::digest::{Digest, Hashed};
use super::search::{Found, Layer};
use crate::error::{Context, Error, Result};
use crate::image::access::shown;
use crate::image::archive::{Archive, End, MAX_TRAILER};
use crate::image::copy::Progress;
use crate::image::decompress;
use crate::image::extract::Extractor;
use crate::image::layer::Layers;

impl Layer {
    fn open<'a>(&self, blobs: &'a Blobs) -> Result<Stream<'a>> {
        match self {
            Self::Blob(descriptor) => blobs.open(descriptor),
            Self::Saved(path, _) => {
                blobs.file(path)?.ok_or_else(|| Error::failed(format!("{} is missing", shown(path.as_bytes()))))
            }
        }
    }

    fn digest(&self) -> &Digest {
        match self {
            Self::Blob(descriptor) => &descriptor.digest,
            Self::Saved(_, digest) => digest,
        }
    }
}

impl Found {
    /// Unpacks all layers below `root`, which is empty.
    pub fn unpack(&self, blobs: &Blobs, root: BorrowedFd<'_>, progress: &mut Progress<'_>) -> Result<()> {
        let mut sizes = Vec::new();
        for layer in &self.layers {
            sizes.push(layer.open(blobs)?.size);
        }
        let (mut done, total) = (0, sizes.iter().sum());
        let mut extractor = Extractor::new(root, Some(Layers::default()))?;
        for layer in &self.layers {
            let stream = layer.open(blobs)?;
            let size = stream.size;
            let counted = Counted { reader: stream.reader, done: &mut done, total, progress };
            unpack(layer, Stream { size, reader: Box::new(counted) }, &mut extractor)
                .with_context(|| format!("layer {}", layer.digest()))?;
        }
        extractor.finish()
    }
}

fn unpack(layer: &Layer, stream: Stream<'_>, extractor: &mut Extractor<'_>) -> Result<()> {
    let size = stream.size;
    match layer {
        Layer::Blob(descriptor) => {
            let mut stored = Hashed::new(stream.reader, Some(size));
            let unpacked = members(Expanded::new(&mut stored, size), extractor);
            // Damage of any kind is told as what it is.
            stored.finish(&descriptor.digest).and(unpacked)
        }
        Layer::Saved(_, digest) => {
            let mut expanded = Hashed::new(Expanded::new(stream.reader, size)?, None);
            let unpacked = members(Ok(&mut expanded), extractor);
            expanded.finish(digest).and(unpacked)
        }
    }
}

fn members<R: Read>(reader: Result<R>, extractor: &mut Extractor<'_>) -> Result<()> {
    let mut archive = Archive::new(reader?, End::Any);
    extractor.layer(&mut archive)?;
    archive.finish(MAX_TRAILER)
}

/// What a stream is without its compression, if that is not out of all proportion: a bomb.
pub struct Expanded<'a> {
    reader: Box<dyn Read + 'a>,
    left: u64,
}

impl<'a> Expanded<'a> {
    /// Real layers become three times what they were; files full of zeros more than a hundred times.
    pub fn new(reader: impl Read + 'a, size: u64) -> Result<Self> {
        let reader = decompress::reader(BufReader::with_capacity(256 << 10, reader))?;
        Ok(Self { reader, left: (1 << 30) + size.saturating_mul(200) })
    }
}

impl Read for Expanded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        let bomb = || io::Error::other("it expands to more than 1 GiB and 200 times its size");
        self.left = self.left.checked_sub(length as u64).ok_or_else(bomb)?;
        Ok(length)
    }
}

/// Tells how far the layers have been read.
struct Counted<'a, 'b, 'c> {
    reader: Box<dyn Read + 'a>,
    done: &'b mut u64,
    total: u64,
    progress: &'b mut Progress<'c>,
}

impl Read for Counted<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        *self.done += length as u64;
        (self.progress)(*self.done, Some(self.total));
        Ok(length)
    }
}
