//! An image as one file for elsewhere: a tree as a tar archive, a raw image as it is; what is imported of it is the same.

use std::cell::RefCell;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use niffler::{Level, compression};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, fstat, fsync, linkat, openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::copy::Progress;
use super::staging::unique;
use super::store::{Image, Kind};
use crate::error::{Error, Result};
use crate::image::archive::pack::pack;
use crate::image::tree::access::create_file;
use crate::image::tree::content::Copier;

/// How an exported file is compressed.
pub type Compression = compression::Format;

/// By the suffix of a file's name, as tar's --auto-compress has it.
pub fn compression(path: &Path) -> Compression {
    match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("gz" | "tgz") => Compression::Gzip,
        Some("zst" | "tzst") => Compression::Zstd,
        Some("xz" | "txz") => Compression::Lzma,
        Some("bz2" | "tbz2") => Compression::Bzip,
        _ => Compression::No,
    }
}

/// A file in the making, with a name that nobody else uses. Dropped before its commit, it is removed again.
#[derive(Debug)]
pub struct Output {
    dir: OwnedFd,
    name: CString,
    temporary: CString,
    file: OwnedFd,
    replace: bool,
}

impl Output {
    /// Begins beside what will be `path`. It is for its owner alone: an image has the shadow file of its users.
    pub fn begin(path: &Path, replace: bool) -> Result<Self> {
        let (dir, name) = place(path)?;
        if !replace && statat(&dir, &*name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(taken());
        }
        let temporary = unique(".soute-export-", "");
        let file = create_file(dir.as_fd(), &temporary, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { dir, name, temporary, file, replace })
    }

    /// What is written to.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Gives the whole file its name.
    pub fn commit(self) -> Result<()> {
        fsync(&self.file)?;
        let flags = if self.replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let named = match renameat_with(&self.dir, &*self.temporary, &self.dir, &*self.name, flags) {
            // A file system that cannot (NFS). The other name goes when we are dropped.
            Err(Errno::INVAL) if !self.replace => {
                linkat(&self.dir, &*self.temporary, &self.dir, &*self.name, AtFlags::empty())
            }
            other => other,
        };
        match named {
            Err(Errno::EXIST) => Err(taken()),
            other => Ok(other.and_then(|()| fsync(&self.dir))?),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = unlinkat(&self.dir, &*self.temporary, AtFlags::empty());
    }
}

/// The directory that a path lies in, and its name there.
pub fn place(path: &Path) -> Result<(OwnedFd, CString)> {
    let name = path.file_name().ok_or_else(|| Error::failed("it is no name of a file"))?;
    let name = CString::new(name.as_encoded_bytes()).map_err(Error::failed)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((openat(CWD, parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?, name))
}

fn taken() -> Error {
    Error::failed("it exists (--force replaces it)")
}

/// Writes an image to the file `path`, whole or not at all. What an archive cannot hold comes back.
pub fn to_file(image: &Image, path: &Path, replace: bool, progress: &mut Progress<'_>) -> Result<Vec<Vec<u8>>> {
    image.pin()?;
    let output = Output::begin(path, replace)?;
    let left_out = match (image.info.kind, compression(path)) {
        (Kind::Raw, Compression::No) => {
            let mut done = 0;
            let source = image.raw()?;
            Copier::new(true).copy(source.as_fd(), &fstat(&source)?, output.file.as_fd(), &mut |bytes| {
                done += bytes;
                progress(done, Some(image.info.size));
            })?;
            Vec::new()
        }
        (_, compression) => stream(image, output.file.as_fd(), compression, progress)?,
    };
    output.commit()?;
    Ok(left_out)
}

/// Writes an image to whatever is open, a pipe too.
pub fn stream(
    image: &Image,
    to: BorrowedFd<'_>,
    compression: Compression,
    progress: &mut Progress<'_>,
) -> Result<Vec<Vec<u8>>> {
    image.pin()?;
    let mut done = 0;
    let mut count = |bytes: u64| {
        done += bytes;
        progress(done, Some(image.info.size));
    };
    compressed(to, compression, |out| match image.info.kind {
        Kind::Tree => pack(image.root()?.as_fd(), out, &mut count),
        Kind::Raw => copy_bytes(File::from(image.raw()?), out, &mut count).map(|()| Vec::new()),
    })
}

/// Has `write` write through an encoder.
pub fn compressed<T>(
    to: BorrowedFd<'_>,
    compression: Compression,
    write: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<T> {
    encoded(BufWriter::with_capacity(256 << 10, File::from(to.try_clone_to_owned()?)), compression, write)
}

/// The same, to a writer.
pub fn encoded<T>(
    to: impl Write,
    compression: Compression,
    write: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<T> {
    // Encoders write their end when they are dropped, where nobody would hear of a full disk.
    let failure = Rc::default();
    let kept = Kept { to, failure: Rc::clone(&failure) };
    let mut out = niffler::get_writer(Box::new(kept), compression, level(compression)).map_err(Error::failed)?;
    let written = write(&mut out);
    drop(out);
    failure.take().map_or(written, |error| Err(error.into()))
}

/// The usual of each program.
fn level(compression: Compression) -> Level {
    match compression {
        Compression::Zstd => Level::Three,
        Compression::Bzip => Level::Nine,
        _ => Level::Six,
    }
}

fn copy_bytes(mut from: File, to: &mut dyn Write, count: &mut dyn FnMut(u64)) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match io::Read::read(&mut from, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                to.write_all(&buffer[..read])?;
                count(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes, and keeps the first failure.
struct Kept<W: Write> {
    to: W,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl<W: Write> Kept<W> {
    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            self.failure.borrow_mut().get_or_insert(error);
            kind.into()
        })
    }
}

impl<W: Write> Write for Kept<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes);
        self.keep(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.to.flush();
        self.keep(flushed)
    }
}

impl<W: Write> Drop for Kept<W> {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}
