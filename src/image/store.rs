//! The store: named images, never run themselves.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::{Errno, retry_on_intr};
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::staging::{is_named, open_private, secure, sweep, take_aside, trash};
use super::{file_name, record};
use crate::error::{Context, Error, Exit, Result};
use crate::image::raw::superblock::FsType;
use crate::image::tree::access::{self, open_dir, open_inside};
use crate::image::tree::delete;
use crate::layout::Layout;

/// The root directory of a tree, beside its record.
pub const ROOT: &CStr = c"root";
/// The file of a raw image, beside its record.
pub const RAW: &CStr = c"disk.raw";
/// The record of an image.
pub const INFO: &CStr = c"image.toml";

/// What an image is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A directory tree, `root/`.
    Tree,
    /// One file with a file system in it, `disk.raw`.
    Raw,
}

/// What an image declares for containers that do not say; shown, and used below every definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Declared {
    /// First part of argv.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Second part of argv.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// User, or user:group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// A signal's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Ports such as "80/tcp"; shown, and nothing else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exposed_ports: Vec<String>,
    /// Environment of the payload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// What its maker says of it; shown, and nothing else.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Declared {
    /// These over what the image itself declares, key by key.
    pub fn over(self, image: Self) -> Self {
        let mut environment = image.environment;
        environment.extend(self.environment);
        Self {
            entrypoint: self.entrypoint.or(image.entrypoint),
            command: self.command.or(image.command),
            user: self.user.or(image.user),
            working_directory: self.working_directory.or(image.working_directory),
            stop_signal: self.stop_signal.or(image.stop_signal),
            exposed_ports: image.exposed_ports,
            environment,
            labels: image.labels,
        }
    }
}

/// What vouches for an image from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verified {
    /// A signature by a key of this host's.
    Signature,
    /// The digest that it is pinned by.
    Digest,
    /// Nothing: it was asked for so.
    No,
}

impl Verified {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Digest => "digest",
            Self::No => "no",
        }
    }
}

/// image.toml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageInfo {
    /// Tree or raw.
    pub kind: Kind,
    /// The file system in a raw image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs: Option<FsType>,
    /// Where it was imported from.
    pub origin: String,
    /// "sha256:…" over the content.
    pub digest: String,
    /// "sha256:…" of the manifest that it was unpacked by, or of the configuration where `docker save` has no manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// "sha256:…" of what its origin stood for when it was fetched: an index of images, a manifest, or a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// What vouches for it; none where it was imported from this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// RFC 3339.
    pub created: String,
    /// Bytes of content: the sum of the files' sizes, or the size of the raw image.
    pub size: u64,
    /// Its defaults for containers.
    #[serde(flatten)]
    pub declared: Declared,
}

/// Names the running containers whose root is an image itself. Asked when the image is about to go and not before: no start
/// waits for an import.
pub type OnImage = fn(&Layout, &str) -> Result<Vec<String>>;

/// An image, open.
#[derive(Debug)]
pub struct Image {
    /// Its name in the store.
    pub name: String,
    /// image.toml.
    pub info: ImageInfo,
    dir: OwnedFd,
}

/// The images of a host.
#[derive(Debug)]
pub struct Store {
    images: OwnedFd,
}

impl Image {
    /// The directory that holds it.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Keeps the image from being removed for as long as it is open: a copy of half a tree would look whole.
    pub fn pin(&self) -> Result<()> {
        match flock(&self.dir, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => Err(Error::new(Exit::Busy, format!("image {} is being removed", self.name))),
            other => other.with_context(|| format!("cannot lock image {}", self.name)),
        }
    }

    /// The root directory of a tree.
    pub fn root(&self) -> Result<OwnedFd> {
        open_dir(self.dir(), ROOT).with_context(|| format!("cannot open the root of image {}", self.name))
    }

    /// The file of a raw image, for reading.
    pub fn raw(&self) -> Result<OwnedFd> {
        open_inside(self.dir(), RAW, OFlags::RDONLY | OFlags::NONBLOCK)
            .with_context(|| format!("cannot open the file of image {}", self.name))
    }
}

impl Store {
    /// The store of a host, made if it is not there.
    pub fn new(layout: &Layout) -> Result<Self> {
        Ok(Self { images: open_private(&layout.images())? })
    }

    /// The directory of all images.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.images.as_fd()
    }

    /// One image.
    pub fn open(&self, name: &str) -> Result<Image> {
        let missing = || Error::new(Exit::NotFound, format!("no image {name}"));
        let path = CString::new(file_name(name)?).map_err(Error::failed)?;
        let dir = match open_dir(self.dir(), &path) {
            Err(Errno::NOENT) => return Err(missing()),
            other => other.with_context(|| format!("cannot open image {name}"))?,
        };
        secure(dir.as_fd()).with_context(|| format!("cannot use image {name}"))?;
        let info = record::read(dir.as_fd(), INFO).with_context(|| format!("image {name}"))?.ok_or_else(missing)?;
        Ok(Image { name: name.to_owned(), info, dir })
    }

    /// One image, pinned. Whoever replaces it or removes it is waited for, and then it is what has the name.
    pub fn open_pinned(&self, name: &str) -> Result<Image> {
        loop {
            let image = self.open(name)?;
            retry_on_intr(|| flock(image.dir(), FlockOperation::LockShared))
                .with_context(|| format!("cannot lock image {name}"))?;
            if is_named(self.dir(), &CString::new(name).map_err(Error::failed)?, image.dir()) {
                return Ok(image);
            }
        }
    }

    /// The names of all images, sorted.
    pub fn names(&self) -> Result<Vec<String>> {
        access::names(self.dir()).context("cannot read the store")
    }

    /// All images, sorted by name; one that cannot be read keeps its place, with the reason.
    pub fn list(&self) -> Result<Vec<(String, Result<Image>)>> {
        Ok(self.names()?.into_iter().map(|name| (name.clone(), self.open(&name))).collect())
    }

    /// Removes an image that nothing runs on.
    pub fn remove(&self, layout: &Layout, name: &str, on_image: OnImage) -> Result<()> {
        let _name = Lock::image(layout, name)?;
        let lock = Lock::store(layout)?;
        let path = CString::new(file_name(name)?).map_err(Error::failed)?;
        // Not `open`: an image whose record is broken can be removed.
        let dir = match open_dir(self.dir(), &path) {
            Err(Errno::NOENT) => return Err(Error::new(Exit::NotFound, format!("no image {name}"))),
            other => other.with_context(|| format!("cannot open image {name}"))?,
        };
        claim(dir.as_fd(), name)?;
        let used_by = on_image(layout, name)?;
        if !used_by.is_empty() {
            return Err(Error::new(Exit::Busy, format!("image {name} is in use by {}", used_by.join(", "))));
        }
        let trash = trash(self.dir(), &path, self.dir()).with_context(|| format!("cannot remove image {name}"))?;
        drop((dir, lock));
        delete::remove(self.dir(), &trash).with_context(|| format!("cannot remove all of image {name}"))
    }

    /// Removes the images that were replaced under what ran on them, once nothing does. `running` has the digests of the
    /// images that something runs on.
    pub fn sweep_replaced(&self, layout: &Layout, running: &[String]) -> Result<()> {
        let lock = Lock::store(layout)?;
        let needed = |dir: BorrowedFd<'_>| match record::read::<ImageInfo>(dir, INFO) {
            Ok(Some(info)) => running.contains(&info.digest),
            _ => !running.is_empty(),
        };
        let taken = take_aside(self.dir(), needed).context("cannot read the store")?;
        drop(lock);
        taken
            .iter()
            .try_for_each(|trash| delete::remove(self.dir(), trash).context("cannot remove all of a replaced image"))
    }

    /// Removes what killed commands have left.
    pub fn sweep(&self, layout: &Layout) -> Result<()> {
        let _lock = Lock::store(layout)?;
        sweep(self.dir())
    }
}

/// Takes an image out of use: nothing copies it, or starts on it.
pub fn claim(dir: BorrowedFd<'_>, name: &str) -> Result<()> {
    match flock(dir, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(Error::new(Exit::Busy, format!("image {name} is being copied"))),
        other => other.with_context(|| format!("cannot lock image {name}")),
    }
}
