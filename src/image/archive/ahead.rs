//! A stream that is read ahead by another thread: what decompresses and hashes works while what unpacks does.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread;

use crate::image::copy::Progress;

const BLOCK: usize = 256 << 10;
/// So much is ahead at most, in blocks.
const BLOCKS: usize = 8;

/// What has been read ahead.
pub struct Ahead {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
}

/// Has `consume` read `reader`, in another thread. Where that stops before the end, some more has been read than it got.
pub fn ahead<R: Read + Send, T>(reader: &mut R, consume: impl FnOnce(&mut Ahead) -> T) -> T {
    thread::scope(|scope| {
        let (filled, full) = sync_channel(BLOCKS);
        let (empty, emptied) = channel();
        scope.spawn(move || {
            loop {
                let next = fill(reader, emptied.try_recv().unwrap_or_default());
                let last = next.as_ref().map_or(true, Vec::is_empty);
                // Nobody takes it any more.
                if filled.send(next).is_err() || last {
                    return;
                }
            }
        });
        consume(&mut Ahead { full, empty, block: Vec::new(), at: 0 })
    })
}

/// A whole block, but for the last ones: an empty one is the end.
fn fill(reader: &mut impl Read, mut block: Vec<u8>) -> io::Result<Vec<u8>> {
    block.clear();
    reader.take(BLOCK as u64).read_to_end(&mut block)?;
    Ok(block)
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() && !buffer.is_empty() {
            // Whoever reads past the end, or past an error, gets the end.
            let next = self.full.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            let _ = self.empty.send(std::mem::replace(&mut self.block, next));
            self.at = 0;
        }
        let length = buffer.len().min(self.block.len() - self.at);
        buffer[..length].copy_from_slice(&self.block[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// Counts what is read, of several readers too.
pub struct Counted<'a, R> {
    /// What is read.
    pub reader: R,
    /// The sum.
    pub read: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// Tells how far that is, in the thread that wants to know.
pub struct Told<'a, 'b, 'c> {
    reader: &'a mut Ahead,
    read: &'a AtomicU64,
    told: u64,
    total: u64,
    progress: &'b mut Progress<'c>,
}

impl<'a, 'b, 'c> Told<'a, 'b, 'c> {
    /// Of `total` bytes in all.
    pub fn new(reader: &'a mut Ahead, read: &'a AtomicU64, total: u64, progress: &'b mut Progress<'c>) -> Self {
        Self { reader, read, told: 0, total, progress }
    }
}

impl Read for Told<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read.load(Ordering::Relaxed);
        if read != self.told {
            self.told = read;
            (self.progress)(read, Some(self.total));
        }
        self.reader.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use crate::image::archive::ahead::*;

    /// Bytes that are all there, then an error.
    struct Broken(usize);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("broken"));
            }
            let length = buffer.len().min(self.0).min(1000);
            buffer[..length].fill(7);
            self.0 -= length;
            Ok(length)
        }
    }

    #[test]
    fn what_comes_is_what_was_there() {
        let bytes: Vec<u8> = (0..3 * BLOCK + 17).map(|n| n.to_le_bytes()[n % 3]).collect();
        let mut found = Vec::new();
        ahead(&mut &bytes[..], |reader| reader.read_to_end(&mut found)).unwrap();
        assert_eq!(found, bytes);
        assert_eq!(ahead(&mut &b""[..], |reader| reader.read(&mut [0])).unwrap(), 0);
    }

    #[test]
    fn an_error_comes_through_and_who_stops_early_leaves_no_thread_waiting() {
        let error = ahead(&mut Broken(5000), |reader| io::copy(reader, &mut io::sink())).unwrap_err();
        assert_eq!(error.to_string(), "broken");
        let mut much = io::repeat(1).take(1 << 30);
        assert_eq!(ahead(&mut much, |reader| reader.read(&mut [0; 10])).unwrap(), 10);
        assert!(much.limit() > 900 << 20, "it has been read far beyond what was asked for");
    }
}
