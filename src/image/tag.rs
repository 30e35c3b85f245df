//! Names of images: another one for the same content, or a new one.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, RenameFlags, fsync, linkat, renameat_with, syncfs};
use rustix::io::Errno;

use super::copy::{self, Options, Progress};
use super::lock::Lock;
use super::staging::Staging;
use super::store::{INFO, Image, Kind, RAW, ROOT, Store};
use super::{file_name, record};
use crate::error::{Context, Error, Exit, Result};
use crate::image::tree::content::can_reflink;
use crate::layout::Layout;

/// Gives the content of the image `name` a second name. Both are whole images, either can be removed: no byte is copied
/// where the file system has snapshots, reflinks or hard links, as nothing ever writes to an image.
pub fn tag(layout: &Layout, name: &str, new: &str, progress: &mut Progress<'_>) -> Result<()> {
    let store = Store::new(layout)?;
    let _lock = Lock::image(layout, new)?;
    store.sweep(layout)?;
    let image = store.open(name)?;
    image.pin()?;
    refuse_taken(&store, new)?;
    let staging = Staging::begin(store.dir())?;
    share(&image, staging.dir(), progress).with_context(|| format!("cannot copy image {name}"))?;
    record::write(staging.dir(), INFO, &image.info, true)?;
    syncfs(staging.dir()).context("cannot write the image")?;
    let _store = Lock::store(layout)?;
    match staging.commit(&path(new)?) {
        Err(Errno::EXIST) => Err(taken(new)),
        other => other.map(drop).with_context(|| format!("cannot put image {new} in place")),
    }
}

fn share(image: &Image, to: BorrowedFd<'_>, progress: &mut Progress<'_>) -> Result<()> {
    let options = Options { total: Some(image.info.size), frozen: true, ..Options::default() };
    match image.info.kind {
        Kind::Tree => copy::tree(image.root()?.as_fd(), to, ROOT, options, progress).map(drop),
        Kind::Raw if can_reflink(to) => copy::raw(image.raw()?.as_fd(), to, RAW, options, progress).map(drop),
        Kind::Raw => Ok(linkat(image.dir(), RAW, to, RAW, AtFlags::empty())?),
    }
}

/// Gives an image another name. Whoever has it open keeps it.
pub fn rename(layout: &Layout, name: &str, new: &str) -> Result<()> {
    let store = Store::new(layout)?;
    let (_old, _new) = (Lock::image(layout, name)?, Lock::image(layout, new)?);
    let _store = Lock::store(layout)?;
    match renameat_with(store.dir(), &path(name)?, store.dir(), &path(new)?, RenameFlags::NOREPLACE) {
        Err(Errno::NOENT) => Err(Error::new(Exit::NotFound, format!("no image {name}"))),
        Err(Errno::EXIST) => Err(taken(new)),
        other => other.and_then(|()| fsync(store.dir())).with_context(|| format!("cannot rename image {name}")),
    }
}

/// Fails where an image has the name already.
pub fn refuse_taken(store: &Store, name: &str) -> Result<()> {
    match crate::image::tree::access::open_dir(store.dir(), &path(name)?) {
        Err(Errno::NOENT) => Ok(()),
        other => other.with_context(|| format!("cannot open image {name}")).and(Err(taken(name))),
    }
}

fn taken(name: &str) -> Error {
    Error::failed(format!("image {name} exists"))
}

fn path(name: &str) -> Result<CString> {
    CString::new(file_name(name)?).map_err(Error::failed)
}
