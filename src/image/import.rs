//! Bringing an image into the store, from a directory, a tar archive or a raw file-system image.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FileType, fstat, syncfs};
use rustix::io::Errno;

use super::access::open_dir;
use super::archive::{Archive, has_checksum};
use super::copy::{self, Options as CopyOptions, Progress};
use super::decompress;
use super::digest::{self, Digested};
use super::extract::extract;
use super::lock::Lock;
use super::staging::Staging;
use super::store::{Declared, INFO, ImageInfo, Kind, RAW, ROOT, Store, claim};
use super::superblock::{FsType, HEAD, recognize};
use super::{file_name, record};
use crate::error::{Context, Error, Exit, Result};
use crate::layout::Layout;

/// How much may follow the end of an archive: GNU tar fills up to 10 KiB, and tapes to a few MiB.
const MAX_TRAILER: u64 = 64 << 20;

/// How to import.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// Take the place of an image of that name.
    pub replace: bool,
    /// Running containers that are on the image itself, which then cannot be replaced.
    pub used_by: &'a [String],
    /// What image.toml calls its origin; the path, by default.
    pub origin: Option<String>,
    /// Its defaults for containers.
    pub declared: Declared,
}

/// Imports `source` as the image `name`, whole or not at all.
pub fn import(
    layout: &Layout,
    name: &str,
    source: &Path,
    options: &Options<'_>,
    progress: &mut Progress<'_>,
) -> Result<ImageInfo> {
    let path = CString::new(file_name(name)?).map_err(Error::failed)?;
    let action = || format!("cannot import {}", source.display());
    // O_NONBLOCK: a FIFO is refused, not waited for.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(source).with_context(action)?;
    let store = Store::new(layout)?;
    let _lock = Lock::image(layout, name)?;
    store.sweep(layout)?;
    if !options.replace && open_dir(store.dir(), &path).is_ok() {
        return Err(exists(name));
    }
    let staging = Staging::begin(store.dir())?;
    let (kind, fs, content) = fill(&file, &staging, progress).with_context(action)?;
    let info = ImageInfo {
        kind,
        fs,
        origin: options.origin.clone().unwrap_or_else(|| source.display().to_string()),
        digest: content.digest,
        created: record::now(),
        size: content.size,
        declared: options.declared.clone(),
    };
    record::write(staging.dir(), INFO, &info, true)?;
    syncfs(staging.dir()).context("cannot write the image")?;
    commit(layout, &store, staging, name, &path, options)?;
    store.sweep(layout)?;
    Ok(info)
}

/// Gives what has been made its name. The caller holds the lock of that name.
pub fn commit(
    layout: &Layout,
    store: &Store,
    staging: Staging,
    name: &str,
    path: &CString,
    options: &Options<'_>,
) -> Result<()> {
    let _lock = Lock::store(layout)?;
    let old = open_dir(store.dir(), path);
    match old {
        Ok(old) if options.replace => {
            claim(old.as_fd(), name, options.used_by)?;
            staging.commit_over(path)
        }
        _ => staging.commit(path).map(drop),
    }
    .map_err(|errno| if errno == Errno::EXIST { exists(name) } else { errno.into() })
    .with_context(|| format!("cannot put image {name} in place"))
}

/// The name is taken.
pub fn exists(name: &str) -> Error {
    Error::new(Exit::Failed, format!("image {name} exists: remove it, or import with --replace"))
}

/// Makes root or raw file in `staging`, by what the source is.
fn fill(file: &File, staging: &Staging, progress: &mut Progress<'_>) -> Result<(Kind, Option<FsType>, Digested)> {
    let stat = fstat(file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            copy::copy_tree(file.as_fd(), staging.dir(), ROOT, CopyOptions::default(), progress)?;
            tree_digest(staging.dir())
        }
        FileType::RegularFile => {
            let mut head = vec![0; HEAD];
            let length = read_head(file, &mut head)?;
            head.truncate(length);
            if is_archive(&head) { unpack(file, staging, progress) } else { raw(file, &head, staging, progress) }
        }
        _ => Err(Error::failed("it is neither a directory nor a regular file")),
    }
}

fn tree_digest(dir: BorrowedFd<'_>) -> Result<(Kind, Option<FsType>, Digested)> {
    let root = open_dir(dir, ROOT)?;
    Ok((Kind::Tree, None, digest::tree(root.as_fd())?))
}

fn unpack(file: &File, staging: &Staging, progress: &mut Progress<'_>) -> Result<(Kind, Option<FsType>, Digested)> {
    let root = copy::create_root(staging.dir(), ROOT)?;
    let total = file.metadata()?.len();
    let counted = Counted { file, done: 0, total, progress };
    let mut archive = Archive::new(decompress::reader(io::BufReader::with_capacity(256 << 10, counted))?);
    extract(&mut archive, root.as_fd())?;
    archive.finish(MAX_TRAILER)?;
    tree_digest(staging.dir())
}

fn raw(
    file: &File,
    head: &[u8],
    staging: &Staging,
    progress: &mut Progress<'_>,
) -> Result<(Kind, Option<FsType>, Digested)> {
    let length = file.metadata()?.len();
    let superblock = recognize(head, length)?;
    let options = CopyOptions { total: Some(length), ..CopyOptions::default() };
    copy::raw(file.as_fd(), staging.dir(), RAW, options, progress)?;
    let copy = super::access::open_file(staging.dir(), RAW)?;
    Ok((Kind::Raw, Some(superblock.fs), digest::file(copy.as_fd())?))
}

/// Compressed, or with a tar header at its beginning. A file system never begins so.
fn is_archive(head: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 4] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], decompress::XZ, b"BZh"];
    COMPRESSED.iter().any(|magic| head.starts_with(magic)) || has_checksum(head)
}

fn read_head(file: &File, head: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    while length < head.len() {
        match file.read_at(&mut head[length..], length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// Tells how far an archive has been read.
struct Counted<'a, 'b> {
    file: &'a File,
    done: u64,
    total: u64,
    progress: &'a mut Progress<'b>,
}

impl Read for Counted<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.done += length as u64;
        (self.progress)(self.done, Some(self.total));
        Ok(length)
    }
}
