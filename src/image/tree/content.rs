//! The bytes of one file: shared where the file system can, else copied with their holes.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::fs::{
    FileType, Mode, OFlags, SeekFrom, Stat, copy_file_range, ftruncate, ioctl_ficlone, openat, seek, syncfs,
};
use rustix::io::{Errno, Result, pread, pwrite};

/// So much at a time, so that progress is seen, on a slow device too.
const CHUNK: u64 = 1 << 20;
const BUFFER: usize = 256 << 10;

/// Copies contents from one file system to another, and remembers what these two can do.
#[derive(Debug)]
pub struct Copier {
    /// Cleared once the file systems have refused FICLONE for good.
    reflink: bool,
    in_kernel: bool,
    buffer: Vec<u8>,
    written: Option<Written>,
    /// Files whose bytes had to be copied.
    pub copied: u64,
    /// Files whose bytes are shared.
    pub cloned: u64,
}

/// Can files of this directory share extents? FICLONE of two empty files answers without writing anything.
pub fn can_reflink(dir: BorrowedFd<'_>) -> bool {
    let file = || openat(dir, c".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    matches!((file(), file()), (Ok(one), Ok(other)) if ioctl_ficlone(&one, &other).is_ok())
}

impl Copier {
    /// `durable` copies are written to the device as they are made: what page cache takes at once a slow or limited device
    /// would else take minutes for at the end, and nobody could tell how far it is.
    pub fn new(durable: bool) -> Self {
        let written = durable.then(Written::default);
        Self { reflink: true, in_kernel: true, buffer: Vec::new(), written, copied: 0, cloned: 0 }
    }

    /// Makes the empty file `to` equal to `from`, whose status is `stat`; `progress` gets the bytes done since it was last
    /// called.
    pub fn copy(
        &mut self,
        from: BorrowedFd<'_>,
        stat: &Stat,
        to: BorrowedFd<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let size = u64::try_from(stat.st_size).map_err(|_| Errno::INVAL)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Errno::INVAL);
        }
        if size == 0 {
            return Ok(());
        }
        if self.reflink && self.clone_whole(from, to)? {
            self.cloned += 1;
            progress(size);
            return Ok(());
        }
        self.copied += 1;
        #[allow(clippy::unnecessary_cast, reason = "another type on other architectures")]
        let sparse = (stat.st_blocks as u64) * 512 < size;
        let from = Source { file: from, at: 0 };
        if sparse { self.copy_sparse(from, to, size, progress) } else { self.copy_range(from, to, 0, size, progress) }
    }

    /// Makes the empty file `to` equal to a part of `from`, which has it. Extents are shared where copy_file_range(2) does
    /// so by itself: for parts that begin with a block.
    pub fn copy_part(
        &mut self,
        from: BorrowedFd<'_>,
        start: u64,
        size: u64,
        to: BorrowedFd<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        self.copied += 1;
        self.copy_sparse(Source { file: from, at: start }, to, size, progress)
    }

    fn clone_whole(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<bool> {
        match ioctl_ficlone(to, from) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::NOTTY | Errno::NOSYS) => {
                self.reflink = false;
                Ok(false)
            }
            // Only this file: swap, no-copy-on-write (btrfs) or DAX.
            Err(Errno::INVAL | Errno::TXTBSY | Errno::PERM) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn copy_sparse(
        &mut self,
        from: Source<'_>,
        to: BorrowedFd<'_>,
        size: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        ftruncate(to, size)?;
        let mut at = 0;
        while at < size {
            let data = match seek(from.file, SeekFrom::Data(from.at + at)) {
                // Nothing but a hole from here on.
                Err(Errno::NXIO) => break,
                other => other? - from.at,
            };
            if data >= size {
                break;
            }
            let hole = (seek(from.file, SeekFrom::Hole(from.at + data))? - from.at).min(size);
            if hole <= data {
                break;
            }
            progress(data - at);
            self.copy_range(from, to, data, hole, progress)?;
            at = hole;
        }
        progress(size.saturating_sub(at));
        Ok(())
    }

    /// Copies [start, end); ends early where the source does.
    fn copy_range(
        &mut self,
        from: Source<'_>,
        to: BorrowedFd<'_>,
        start: u64,
        end: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let (mut source, mut target) = (from.at + start, start);
        while self.in_kernel && target < end {
            let wanted = usize::try_from((end - target).min(CHUNK)).unwrap_or(usize::MAX);
            match copy_file_range(from.file, Some(&mut source), to, Some(&mut target), wanted) {
                // 0 is also the answer of file systems whose sizes are made up.
                Ok(0) => break,
                Ok(done) => self.wrote(to, done as u64, progress)?,
                Err(Errno::INTR) => {}
                Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.in_kernel = false,
                Err(error) => return Err(error),
            }
        }
        self.read_write(from, to, target, end, progress)
    }

    fn read_write(
        &mut self,
        from: Source<'_>,
        to: BorrowedFd<'_>,
        mut at: u64,
        end: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        while at < end {
            self.buffer.resize(BUFFER, 0);
            let wanted = usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER);
            let read = match pread(from.file, &mut self.buffer[..wanted], from.at + at) {
                Ok(0) => break,
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let mut written = 0;
            while written < read {
                written += pwrite(to, &self.buffer[written..read], at + written as u64)?;
            }
            at += read as u64;
            self.wrote(to, read as u64, progress)?;
        }
        Ok(())
    }

    fn wrote(&mut self, to: BorrowedFd<'_>, bytes: u64, progress: &mut dyn FnMut(u64)) -> Result<()> {
        self.written.as_mut().map_or(Ok(()), |written| written.add(to, bytes))?;
        progress(bytes);
        Ok(())
    }
}

/// A file, and where in it lies what the target begins with.
#[derive(Clone, Copy)]
struct Source<'a> {
    file: BorrowedFd<'a>,
    at: u64,
}

/// What page cache may still hold of a copy.
#[derive(Debug)]
struct Written {
    bytes: u64,
    /// About as much as the device takes in half a second.
    at_most: u64,
}

impl Default for Written {
    fn default() -> Self {
        Self { bytes: 0, at_most: 4 << 20 }
    }
}

impl Written {
    fn add(&mut self, to: BorrowedFd<'_>, bytes: u64) -> Result<()> {
        self.bytes += bytes;
        if self.bytes < self.at_most {
            return Ok(());
        }
        let began = Instant::now();
        // Of the file system, not of the file: there may be thousands of small ones, and each would be a commit.
        syncfs(to)?;
        self.bytes = 0;
        self.at_most = match began.elapsed() {
            fast if fast < Duration::from_millis(250) => (self.at_most * 2).min(256 << 20),
            slow if slow > Duration::from_secs(1) => (self.at_most / 2).max(1 << 20),
            _ => self.at_most,
        };
        Ok(())
    }
}
