//! The disk of a stopped container as a new image.

use std::ffi::CString;
use std::os::fd::AsFd;

use rustix::fs::syncfs;

use crate::error::{Context, Error, Exit, Result};
use crate::image::copy::{self, Options, Progress};
use crate::image::disk::{self, Disk};
use crate::image::import::{self, commit as put_in_place};
use crate::image::lock::Lock;
use crate::image::staging::Staging;
use crate::image::store::{INFO, ImageInfo, Kind, RAW, ROOT, Store};
use crate::image::tree::access::open_file;
use crate::image::tree::digest;
use crate::image::tree::xattr::Shift;
use crate::image::{file_name, record, tag};
use crate::layout::Layout;

/// Makes the image `image` of the disk of the container `name`, whose lock the caller holds and which does not run.
pub fn commit(
    layout: &Layout,
    name: &str,
    image: &str,
    options: &import::Options<'_>,
    progress: &mut Progress<'_>,
) -> Result<ImageInfo> {
    let path = CString::new(file_name(image)?).map_err(Error::failed)?;
    let none = || Error::new(Exit::NotFound, format!("{name} has no disk of its own"));
    let disk = disk::open(layout, name)?.ok_or_else(none)?;
    let kind = disk.kind()?.ok_or_else(none)?;
    let store = Store::new(layout)?;
    let _lock = Lock::image(layout, image)?;
    store.sweep(layout)?;
    if !options.replace {
        tag::refuse_taken(&store, image)?;
    }
    let staging = Staging::begin(store.dir())?;
    let info = fill(&disk, kind, &store, name, &staging, progress)
        .with_context(|| format!("cannot copy the disk of {name}"))?;
    record::write(staging.dir(), INFO, &info, true)?;
    syncfs(staging.dir()).context("cannot write the image")?;
    put_in_place(layout, &store, staging, image, &path, options)?;
    store.sweep(layout)?;
    Ok(info)
}

fn fill(
    disk: &Disk,
    kind: Kind,
    store: &Store,
    name: &str,
    staging: &Staging,
    progress: &mut Progress<'_>,
) -> Result<ImageInfo> {
    let from = match (disk.record.shifted, disk.record.ids) {
        (false, _) => None,
        (true, Some(first)) => Some(Shift::From(first)),
        (true, None) => return Err(Error::failed("its files have ids that its record does not tell")),
    };
    let options = Options { shift: from, durable: true, ..Options::default() };
    let content = match kind {
        Kind::Tree => {
            copy::tree(disk.root()?.as_fd(), staging.dir(), ROOT, options, progress)?;
            digest::tree(crate::image::tree::access::open_dir(staging.dir(), ROOT)?.as_fd())?
        }
        Kind::Raw => {
            copy::raw(disk.raw()?.as_fd(), staging.dir(), RAW, options, progress)?;
            digest::file(open_file(staging.dir(), RAW)?.as_fd())?
        }
    };
    // What runs in it is not on the disk: that is what its image has said, when it was copied.
    // Of a copy that has not noted that, what has its name now.
    let of_name = || store.open(&disk.record.image).ok().map(|image| image.info);
    let declared = disk.image(store)?.or_else(of_name).map(|image| image.declared).unwrap_or_default();
    Ok(ImageInfo {
        kind,
        fs: disk.info()?.fs,
        origin: format!("the disk of {name}, a copy of {}", disk.record.image),
        digest: content.digest,
        manifest: None,
        pinned: None,
        verified: None,
        created: record::now(),
        size: content.size,
        declared,
    })
}
