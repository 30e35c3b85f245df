//! `soute image convert`

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fstat, ftruncate, syncfs};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::filesystem::{self, Needs};
use super::users;
use crate::definition::types::{ByteSize, Name};
use crate::error::{Context, Error, Exit, Result};
use crate::image::copy::{self, Progress};
use crate::image::import::{self, Options};
use crate::image::lock::Lock;
use crate::image::raw::superblock::FsType;
use crate::image::staging::Staging;
use crate::image::store::{INFO, Image, ImageInfo, Kind, RAW, ROOT, Store};
use crate::image::tag::refuse_taken;
use crate::image::tree::access::{create_file, open_dir, open_inside};
use crate::image::tree::digest;
use crate::image::{disk, record};
use crate::output::{amount, bar};
use crate::sandbox::sources;
use crate::settings::Host;

/// Makes a raw file system of an image that is a directory tree, or a tree of a raw one.
#[derive(Debug, Args)]
pub struct Convert {
    /// The image.
    name: Name,
    /// What the new one will be called; without it, the image itself is replaced.
    new: Option<Name>,
    /// What it will be.
    #[arg(long)]
    to: To,
    /// The file system of a raw one.
    #[arg(long, default_value = "ext4")]
    fs: Fs,
    /// Its size; by default that of what is in it, and some room.
    #[arg(long)]
    size: Option<ByteSize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// A directory tree.
    Tree,
    /// One file with a file system in it.
    Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fs {
    Ext4,
    Xfs,
    Btrfs,
    /// Read-only.
    Erofs,
}

impl Fs {
    fn kind(self) -> FsType {
        match self {
            Self::Ext4 => FsType::Ext4,
            Self::Xfs => FsType::Xfs,
            Self::Btrfs => FsType::Btrfs,
            Self::Erofs => FsType::Erofs,
        }
    }
}

impl Convert {
    /// Converts it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let bar = bar::new(format!("converting {}", self.name));
        let made = self.convert(host, &mut |done, total| bar::show(&bar, done, total));
        bar.finish_and_clear();
        let info = made.with_context(|| format!("cannot convert image {}", self.name))?;
        let new = self.new.as_ref().unwrap_or(&self.name);
        eprintln!("{new}: {} of {}, {}", users::kind(&info), amount::bytes(info.size), info.digest);
        Ok(ExitCode::SUCCESS)
    }

    fn convert(&self, host: &Host, progress: &mut Progress<'_>) -> Result<ImageInfo> {
        let layout = &host.layout;
        users::sweep_replaced(layout)?;
        let store = Store::new(layout)?;
        let new = self.new.as_ref().unwrap_or(&self.name);
        let _lock = Lock::image(layout, new)?;
        store.sweep(layout)?;
        let image = store.open(&self.name)?;
        match self.new {
            Some(_) => refuse_taken(&store, new)?,
            None => refuse_kept(host, &self.name)?,
        }
        // Another one's content while it is read; our own is locked by its name.
        if self.new.is_some() {
            image.pin()?;
        }
        let staging = Staging::begin(store.dir())?;
        let (kind, fs, content) = match self.to {
            To::Tree => (Kind::Tree, None, self.tree(&image, &staging, progress)?),
            To::Raw => (Kind::Raw, Some(self.fs.kind()), self.raw(&image, &staging, progress)?),
        };
        let info = ImageInfo {
            kind,
            fs,
            origin: format!("{}, converted", image.info.origin),
            digest: content.digest,
            manifest: None,
            pinned: None,
            created: record::now(),
            size: content.size,
            ..image.info.clone()
        };
        record::write(staging.dir(), INFO, &info, true)?;
        syncfs(staging.dir()).context("cannot write the image")?;
        let options = Options { replace: self.new.is_none(), on_image: Some(users::on_image), ..Options::default() };
        let path = CString::new(new.as_str()).map_err(Error::failed)?;
        import::commit(layout, &store, staging, new, &path, &options)?;
        store.sweep(layout)?;
        Ok(info)
    }

    fn tree(&self, image: &Image, staging: &Staging, progress: &mut Progress<'_>) -> Result<digest::Digested> {
        if self.size.is_some() {
            return Err(Error::new(Exit::Usage, "a directory tree has no size of its own"));
        }
        let source = root(image)?;
        let options = copy::Options { durable: true, ..copy::Options::default() };
        copy::copy_tree(source.as_fd(), staging.dir(), ROOT, options, progress)?;
        digest::tree(open_dir(staging.dir(), ROOT)?.as_fd())
    }

    fn raw(&self, image: &Image, staging: &Staging, progress: &mut Progress<'_>) -> Result<digest::Digested> {
        let (source, fs) = (root(image)?, self.fs.kind());
        let file = create_file(staging.dir(), RAW, Mode::RUSR | Mode::WUSR)?;
        if fs.is_read_only() {
            filesystem::make_read_only(file.as_fd(), source.as_fd())?;
        } else {
            let needs = Needs::of(source.as_fd())?;
            let size = self.size.map_or_else(|| needs.size(fs), |size| size.0 - size.0 % filesystem::UNIT);
            ftruncate(&file, size).context("cannot make a file of that size")?;
            let options = copy::Options { durable: true, total: Some(image.info.size), ..copy::Options::default() };
            let made = filesystem::make(fs, file.as_fd(), needs)
                .and_then(|()| fill(source.as_fd(), file.as_fd(), fs, options, progress));
            made.map_err(|error| no_room(file.as_fd(), size).unwrap_or(error))?;
        }
        // Whatever mkfs and the file system are able to keep: what is in it is what was there, or there is no image.
        let made = mounted(file.as_fd(), fs, fs.is_read_only())?;
        if digest::tree(made.as_fd())?.digest != digest::tree(source.as_fd())?.digest {
            return Err(Error::failed(format!("{} does not keep all that is in the image", fs.name())));
        }
        drop(made);
        digest::file(open_inside(staging.dir(), RAW, OFlags::RDONLY)?.as_fd())
    }
}

/// Copies a tree into a file system that has been made in a file.
fn fill(
    source: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    fs: FsType,
    options: copy::Options,
    progress: &mut Progress<'_>,
) -> Result<()> {
    let mounted = mounted(file, fs, false)?;
    // e2fsck makes it anew where it needs it, and the tree has none.
    let _ = rustix::fs::unlinkat(&mounted, c"lost+found", rustix::fs::AtFlags::REMOVEDIR);
    let size = fstat(file)?.st_size.cast_unsigned();
    copy::fill(source, mounted.as_fd(), options, progress)
        .with_context(|| format!("{} may be too little (--size)", ByteSize(size)))?;
    syncfs(&mounted).context("cannot write the file system")
}

/// Where the store is full, all that the file system in the file hears is that its device has failed.
fn no_room(file: BorrowedFd<'_>, size: u64) -> Option<Error> {
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(errno @ (Errno::NOSPC | Errno::DQUOT)) => Some(errno.into()),
        _ => None,
    }
}

/// A disk is a tree or a raw file as its image was, and a start would look for the other.
fn refuse_kept(host: &Host, image: &Name) -> Result<()> {
    for name in disk::names(&host.layout)? {
        let Some(disk) = disk::open(&host.layout, &name)? else { continue };
        if disk.record.image == image.as_str() && disk.kind()?.is_some() {
            let text = format!("the disk of {name} is a copy of it: give the new one another name");
            return Err(Error::new(Exit::Busy, text));
        }
    }
    Ok(())
}

/// What is in an image.
pub(super) fn root(image: &Image) -> Result<OwnedFd> {
    match (image.info.kind, image.info.fs) {
        (Kind::Tree, _) => image.root(),
        (Kind::Raw, Some(fs)) => mounted(image.raw()?.as_fd(), fs, true),
        (Kind::Raw, None) => Err(Error::failed("its record does not tell its file system")),
    }
}

/// A mount that nobody else sees, and that is gone with its descriptor.
fn mounted(file: BorrowedFd<'_>, fs: FsType, read_only: bool) -> Result<OwnedFd> {
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    attributes |= MountAttrFlags::MOUNT_ATTR_NOATIME;
    let mount = sources::raw_root(&file.try_clone_to_owned()?, fs, read_only, false, attributes)?;
    open_dir(mount.as_fd(), c".").context("cannot open its root")
}
