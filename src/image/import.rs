//! Bringing an image into the store, from a directory, a tar archive, a raw file-system image, or an image in layers.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::AtomicU64;

use rustix::fs::{AtFlags, FileType, Mode, fstat, statat, syncfs, unlinkat};
use rustix::io::Errno;

use super::copy::{self, Options as CopyOptions, Progress};
use super::lock::Lock;
use super::oci::blobs::{Blobs, Members, Part, may_have_images};
use super::oci::unpack::Expanded;
use super::oci::{self};
use super::staging::Staging;
use super::store::{Declared, INFO, ImageInfo, Kind, OnImage, RAW, ROOT, Store, Verified, claim};
use super::{file_name, record};
use crate::error::{Context, Error, Exit, Result};
use crate::image::archive::ahead::{Counted, Told, ahead};
use crate::image::archive::extract::extract;
use crate::image::archive::path::normalized;
use crate::image::archive::{Archive, End, MAX_TRAILER, decompress, has_checksum};
use crate::image::raw::region;
use crate::image::raw::superblock::{FsType, HEAD};
use crate::image::tree::access::{create_file, open_dir};
use crate::image::tree::digest::{self, Digested};
use crate::layout::Layout;

const COMPRESSED: [&[u8]; 4] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], decompress::XZ, b"BZh"];

/// How to import.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// Take the place of an image of that name.
    pub replace: bool,
    /// Who is on the image itself, which then is kept for them when it is replaced; none where nothing can be.
    pub on_image: Option<OnImage>,
    /// What image.toml calls its origin; the path, by default.
    pub origin: Option<String>,
    /// Which image, where the source has several.
    pub tag: Option<&'a str>,
    /// Its defaults for containers, over those that it declares itself.
    pub declared: Declared,
}

/// What came of a source.
pub(super) struct Filled {
    kind: Kind,
    fs: Option<FsType>,
    content: Digested,
    manifest: Option<String>,
    declared: Declared,
    /// Of a source that is elsewhere: what it was, and what vouches for that.
    pub(super) vouched: Option<(String, Verified)>,
}

impl Filled {
    pub(super) fn is_raw(&self) -> bool {
        self.kind == Kind::Raw
    }
}

/// Imports `source` as the image `name`, whole or not at all.
pub fn import(
    layout: &Layout,
    name: &str,
    source: &Path,
    options: &Options<'_>,
    progress: &mut Progress<'_>,
) -> Result<ImageInfo> {
    let action = || format!("cannot import {}", source.display());
    // O_NONBLOCK: a FIFO is refused, not waited for.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(source).with_context(action)?;
    let origin = options.origin.clone().unwrap_or_else(|| source.display().to_string());
    make(layout, name, &origin, options, |staging| fill(&file, staging, options, progress).with_context(action))
}

/// Makes the image `name` of what `fill` puts into a directory, whole or not at all.
pub(super) fn make(
    layout: &Layout,
    name: &str,
    origin: &str,
    options: &Options<'_>,
    fill: impl FnOnce(&Staging) -> Result<Filled>,
) -> Result<ImageInfo> {
    let path = CString::new(file_name(name)?).map_err(Error::failed)?;
    let store = Store::new(layout)?;
    let _lock = Lock::image(layout, name)?;
    store.sweep(layout)?;
    refuse_taken(layout, name, options)?;
    let staging = Staging::begin(store.dir())?;
    let filled = fill(&staging)?;
    let (pinned, verified) = filled.vouched.unzip();
    let info = ImageInfo {
        kind: filled.kind,
        fs: filled.fs,
        origin: origin.to_owned(),
        digest: filled.content.digest,
        manifest: filled.manifest,
        pinned,
        verified,
        created: record::now(),
        size: filled.content.size,
        declared: options.declared.clone().over(filled.declared),
    };
    record::write(staging.dir(), INFO, &info, true)?;
    syncfs(staging.dir()).context("cannot write the image")?;
    commit(layout, &store, staging, name, &path, options)?;
    store.sweep(layout)?;
    Ok(info)
}

/// Refuses a name that is taken, before anything is fetched for it.
pub(super) fn refuse_taken(layout: &Layout, name: &str, options: &Options<'_>) -> Result<()> {
    let path = CString::new(file_name(name)?).map_err(Error::failed)?;
    match !options.replace && open_dir(Store::new(layout)?.dir(), &path).is_ok() {
        true => Err(exists(name)),
        false => Ok(()),
    }
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
            claim(old.as_fd(), name)?;
            let used_by = options.on_image.map_or_else(|| Ok(Vec::new()), |on_image| on_image(layout, name))?;
            match used_by.is_empty() {
                true => staging.commit_over(path),
                false => staging.commit_over_kept(path),
            }
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
pub(super) fn fill(
    file: &File,
    staging: &Staging,
    options: &Options<'_>,
    progress: &mut Progress<'_>,
) -> Result<Filled> {
    let stat = fstat(file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory if is_layout(file.as_fd()) => {
            let dir = open_dir(file.as_fd(), c".")?;
            layers(&Blobs::Directory(dir), staging, options, progress)
        }
        FileType::Directory => {
            untagged(options)?;
            copy::copy_tree(file.as_fd(), staging.dir(), ROOT, CopyOptions::default(), progress)?;
            tree(staging.dir())
        }
        FileType::RegularFile => {
            let mut head = [0; 512];
            let length = read_head(file, &mut head)?;
            if is_archive(&head[..length]) {
                archive(file, staging, options, progress)
            } else {
                raw(file, staging, options, progress)
            }
        }
        _ => Err(Error::failed("it is neither a directory nor a regular file")),
    }
}

fn tree(dir: BorrowedFd<'_>) -> Result<Filled> {
    let root = open_dir(dir, ROOT)?;
    let content = digest::tree(root.as_fd())?;
    Ok(Filled { kind: Kind::Tree, fs: None, content, manifest: None, declared: Declared::default(), vouched: None })
}

fn is_layout(dir: BorrowedFd<'_>) -> bool {
    [c"oci-layout", c"index.json"].iter().all(|name| {
        let stat = statat(dir, *name, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    })
}

/// A root, or images in layers: their first name tells one from the other but for trees that look like images.
fn archive(file: &File, staging: &Staging, options: &Options<'_>, progress: &mut Progress<'_>) -> Result<Filled> {
    let name = first_name(file);
    if name.is_none() && is_compressed_raw(file) {
        let plain = spool(file, staging.dir())?;
        return raw(&plain, staging, options, progress);
    }
    if !name.is_some_and(|name| may_have_images(&name)) {
        untagged(options)?;
        return unpack(file, staging, progress);
    }
    let plain = if is_compressed(file)? { spool(file, staging.dir())? } else { file.try_clone()? };
    let members = Members::read(plain)?;
    if members.has_images() {
        return layers(&Blobs::Archive(members), staging, options, progress);
    }
    untagged(options)?;
    let mut plain = members.into_file();
    plain.rewind()?;
    unpack(&plain, staging, progress)
}

fn layers(blobs: &Blobs, staging: &Staging, options: &Options<'_>, progress: &mut Progress<'_>) -> Result<Filled> {
    flatten(&oci::find(blobs, options.tag)?, blobs, staging, progress)
}

/// Unpacks an image in layers.
pub(super) fn flatten(
    found: &oci::Found,
    blobs: &Blobs,
    staging: &Staging,
    progress: &mut Progress<'_>,
) -> Result<Filled> {
    let root = copy::create_root(staging.dir(), ROOT)?;
    found.unpack(blobs, root.as_fd(), progress)?;
    let (manifest, declared) = (Some(found.manifest.to_string()), found.declared.clone());
    Ok(Filled { manifest, declared, ..tree(staging.dir())? })
}

fn untagged(options: &Options<'_>) -> Result<()> {
    match options.tag {
        Some(_) => Err(Error::new(Exit::Usage, "a tag chooses an image in layers, and this is none")),
        None => Ok(()),
    }
}

/// The first name but that of the root.
fn first_name(file: &File) -> Option<Vec<u8>> {
    let reader = Expanded::new(Part::whole(file).ok()?, 0).ok()?;
    let mut archive = Archive::new(reader, End::Zeros);
    for _ in 0..4 {
        let path = normalized(&archive.next_member().ok()??.path).ok()?;
        if !path.is_empty() {
            return Some(path);
        }
    }
    None
}

/// Is it a compressed file system, or disk with one? Of its size nothing is known yet.
fn is_compressed_raw(file: &File) -> bool {
    let mut head = Vec::new();
    let reader = Part::whole(file).and_then(|part| Expanded::new(part, 0));
    let read = reader.is_ok_and(|reader| reader.take(HEAD as u64).read_to_end(&mut head).is_ok());
    read && !has_checksum(&head) && region::begins_so(&head)
}

/// Unpacks what is compressed into a file without a name, as blobs lie in it in any order.
fn spool(file: &File, dir: BorrowedFd<'_>) -> Result<File> {
    let mut reader = Expanded::new(Part::whole(file)?, file.metadata()?.len())?;
    let name = c"archive";
    let mut plain = File::from(create_file(dir, name, Mode::RUSR | Mode::WUSR)?);
    unlinkat(dir, name, AtFlags::empty())?;
    copy_with_holes(&mut reader, &mut plain).context("cannot decompress it")?;
    Ok(plain)
}

/// Compression keeps no holes: what is zeros, for most of a file system, was one.
fn copy_with_holes(reader: &mut impl Read, file: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; 128 << 10];
    let mut at: u64 = 0;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match reader.read(&mut buffer[filled..])? {
                0 => break,
                length => filled += length,
            }
        }
        if buffer[..filled].iter().any(|byte| *byte != 0) {
            file.write_all_at(&buffer[..filled], at)?;
        }
        at += filled as u64;
        if filled < buffer.len() {
            return file.set_len(at);
        }
    }
}

fn unpack(file: &File, staging: &Staging, progress: &mut Progress<'_>) -> Result<Filled> {
    let root = copy::create_root(staging.dir(), ROOT)?;
    let (read, total) = (AtomicU64::new(0), file.metadata()?.len());
    let counted = Counted { reader: file, read: &read };
    let mut reader = decompress::reader(io::BufReader::with_capacity(256 << 10, counted))?;
    ahead(&mut reader, |ahead| {
        let mut archive = Archive::new(Told::new(ahead, &read, total, progress), End::Zeros);
        extract(&mut archive, root.as_fd())?;
        archive.finish(MAX_TRAILER)
    })?;
    tree(staging.dir())
}

fn raw(file: &File, staging: &Staging, options: &Options<'_>, progress: &mut Progress<'_>) -> Result<Filled> {
    untagged(options)?;
    let place = region::find(file)?;
    place.copy(file, staging.dir(), progress)?;
    let copy = crate::image::tree::access::open_file(staging.dir(), RAW)?;
    let content = digest::file(copy.as_fd())?;
    let (fs, declared) = (Some(place.fs), Declared::default());
    Ok(Filled { kind: Kind::Raw, fs, content, manifest: None, declared, vouched: None })
}

/// Compressed, or with a tar header at its beginning. A file system never begins so.
fn is_archive(head: &[u8]) -> bool {
    COMPRESSED.iter().any(|magic| head.starts_with(magic)) || has_checksum(head)
}

fn is_compressed(file: &File) -> Result<bool> {
    let mut head = [0; 512];
    let length = read_head(file, &mut head)?;
    Ok(!has_checksum(&head[..length]))
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
