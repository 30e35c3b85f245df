//! The layers of an image, streamed into one directory.

use std::io::{self, BufReader, Read};
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;

use super::blobs::{Blobs, Stream};
use super::digest::{Digest, Hashed};
use super::search::{Found, Layer};
use crate::error::{Context, Error, Result};
use crate::image::archive::ahead::{Ahead, Counted, Told, ahead};
use crate::image::archive::extract::Extractor;
use crate::image::archive::layer::Layers;
use crate::image::archive::{Archive, End, MAX_TRAILER, decompress};
use crate::image::copy::Progress;
use crate::image::tree::access::shown;

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
        let (read, total) = (AtomicU64::new(0), sizes.iter().sum());
        let mut extractor = Extractor::new(root, Some(Layers::default()))?;
        for layer in &self.layers {
            let Stream { size, reader } = layer.open(blobs)?;
            let stream = Stream { size, reader: Box::new(Counted { reader, read: &read }) };
            let mut told = |ahead: &mut Ahead| {
                let mut archive = Archive::new(Told::new(ahead, &read, total, progress), End::Any);
                extractor.layer(&mut archive)?;
                archive.finish(MAX_TRAILER)
            };
            unpack(layer, stream, &mut told).with_context(|| format!("layer {}", layer.digest()))?;
        }
        extractor.finish()
    }
}

/// Has `members` read what is in a layer, which another thread hashes and decompresses meanwhile.
fn unpack(layer: &Layer, stream: Stream<'_>, members: &mut dyn FnMut(&mut Ahead) -> Result<()>) -> Result<()> {
    let size = stream.size;
    match layer {
        Layer::Blob(descriptor) => {
            let mut stored = Hashed::new(stream.reader, Some(size));
            let unpacked = Expanded::new(&mut stored, size).and_then(|mut expanded| ahead(&mut expanded, members));
            // Damage of any kind is told as what it is.
            stored.finish(&descriptor.digest).and(unpacked)
        }
        Layer::Saved(_, digest) => {
            let mut expanded = Hashed::new(Expanded::new(stream.reader, size)?, None);
            let unpacked = ahead(&mut expanded, members);
            expanded.finish(digest).and(unpacked)
        }
    }
}

/// What a stream is without its compression, if that is not out of all proportion: a bomb.
pub struct Expanded<'a> {
    reader: Box<dyn Read + Send + 'a>,
    left: u64,
}

impl<'a> Expanded<'a> {
    /// Real layers become three times what they were; files full of zeros more than a hundred times.
    pub fn new(reader: impl Read + Send + 'a, size: u64) -> Result<Self> {
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
