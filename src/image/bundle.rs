//! A container as one file for another machine: what it is of, its definition, and on request its disk and its volumes.
//!
//! ```text
//! soute-container.toml      what follows, and of which image the container is
//! definition/NAME.toml      and definition/NAME.toml.d/*.toml: the files as they are
//! disk/root/… or disk/disk.raw
//! volumes/VOLUME/…
//! ```
//! Whoever reads one trusts nothing in it: each tree is unpacked into a new directory of its own, as an image is.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, mkdirat};
use serde::{Deserialize, Serialize};

use super::copy::create_root;
use super::file_name;
use super::staging::Staging;
use super::store::{Declared, ImageInfo, Kind, RAW, ROOT};
use crate::error::{Context, Error, Result};
use crate::image::archive::Archive;
use crate::image::archive::extract::{Extractor, write};
use crate::image::archive::member::{Kind as Member, Member as Entry};
use crate::image::archive::path::{c_string, normalized};
use crate::image::tree::access::{create_file, open_dir, shown};

/// The first member.
pub const MANIFEST: &str = "soute-container.toml";
/// Of the format.
pub const VERSION: u32 = 1;
/// Of the files of a definition, and of the manifest.
const MAX_TEXT: u64 = 1 << 20;
const MAX_FILES: usize = 64;

/// soute-container.toml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// Of the format.
    pub version: u32,
    /// The container's name.
    pub name: String,
    /// When it was made, RFC 3339.
    pub exported: String,
    /// The image that the container is of.
    pub image: String,
    /// Its digest.
    pub digest: String,
    /// Where that was imported from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// Tree or raw, where the disk is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Kind>,
    /// The volumes in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// What the image declares for containers, where the disk is in it: with that nobody needs the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
}

impl Manifest {
    /// The image that the disk in it is a copy of.
    pub fn copied(&self) -> Option<ImageInfo> {
        let (kind, declared) = (self.disk?, self.declared.clone()?);
        Some(ImageInfo {
            kind,
            fs: None,
            origin: self.origin.clone(),
            digest: self.digest.clone(),
            manifest: None,
            pinned: None,
            verified: None,
            created: self.exported.clone(),
            size: 0,
            declared,
        })
    }
}

/// An archive whose texts have been read, and whose trees have not.
pub struct Bundle<R> {
    /// What it says of itself.
    pub manifest: Manifest,
    /// NAME.toml.
    pub definition: String,
    /// Drop-ins by their names.
    pub drop_ins: Vec<(String, String)>,
    archive: Archive<R>,
    /// The member that comes next.
    next: Option<Entry>,
}

impl<R: Read> Bundle<R> {
    /// Reads as far as the definition goes.
    pub fn open(mut archive: Archive<R>) -> Result<Self> {
        let no_bundle = || Error::failed("it is no container that soute export has written");
        let first = archive.next_member()?.ok_or_else(no_bundle)?;
        if normalized(&first.path)? != MANIFEST.as_bytes() {
            return Err(no_bundle());
        }
        let text = text(&mut archive, &first)?;
        let manifest: Manifest = toml::from_str(&text).map_err(Error::failed).context(MANIFEST)?;
        check(&manifest)?;
        let mut bundle = Self { manifest, definition: String::new(), drop_ins: Vec::new(), archive, next: None };
        bundle.read_definition()?;
        Ok(bundle)
    }

    fn read_definition(&mut self) -> Result<()> {
        let main = format!("definition/{}.toml", self.manifest.name);
        let beside = format!("definition/{}.toml.d/", self.manifest.name);
        while let Some(member) = self.archive.next_member()? {
            let path = String::from_utf8(normalized(&member.path)?).unwrap_or_default();
            if member.kind == Member::Directory && (path == "definition" || beside.strip_suffix('/') == Some(&path)) {
                // Who has packed it by hand.
                continue;
            }
            if path == main && self.definition.is_empty() {
                self.definition = text(&mut self.archive, &member)?;
            } else if let Some(name) = path.strip_prefix(&beside).filter(|name| name.ends_with(".toml")) {
                let name = file_name(name)?.to_owned();
                if self.drop_ins.len() >= MAX_FILES || self.drop_ins.iter().any(|(there, _)| *there == name) {
                    return Err(Error::failed("it has too many files of a definition, or one of them twice"));
                }
                let text = text(&mut self.archive, &member)?;
                self.drop_ins.push((name, text));
            } else {
                self.next = Some(member);
                break;
            }
        }
        if self.definition.is_empty() { Err(Error::failed(format!("it has no {main}"))) } else { Ok(()) }
    }

    /// Unpacks the trees: the disk into `disk`, each volume into a directory of its name in `volumes`.
    pub fn unpack(mut self, disk: Option<&Staging>, volumes: &Staging) -> Result<()> {
        let mut done = BTreeSet::new();
        while let Some(member) = self.next.take() {
            let path = normalized(&member.path)?;
            let place = self.place(&path)?;
            if !done.insert(place.clone()) {
                return Err(Error::failed(format!("{place} is in it twice")));
            }
            match (place.as_str(), disk) {
                ("disk/disk.raw", Some(disk)) => self.raw(&member, disk.dir())?,
                ("disk/root", Some(disk)) => self.tree(member, &place, create_root(disk.dir(), ROOT)?)?,
                _ => {
                    let name = c_string(place.trim_start_matches("volumes/").as_bytes())?;
                    mkdirat(volumes.dir(), &*name, Mode::RWXU)?;
                    self.tree(member, &place, open_dir(volumes.dir(), &name)?)?;
                }
            }
        }
        let expected = self.manifest.volumes.len() + usize::from(self.manifest.disk.is_some());
        if done.len() != expected {
            return Err(Error::failed("it lacks what it says that it has: is it cut off?"));
        }
        self.archive.finish(crate::image::archive::MAX_TRAILER)
    }

    /// Which of the trees that the manifest names a path belongs to.
    fn place(&self, path: &[u8]) -> Result<String> {
        let path = String::from_utf8_lossy(path).into_owned();
        let disk = match self.manifest.disk {
            Some(Kind::Tree) => Some("disk/root"),
            Some(Kind::Raw) => Some("disk/disk.raw"),
            None => None,
        };
        let volumes = self.manifest.volumes.iter().map(|name| format!("volumes/{name}"));
        let mut places = disk.map(str::to_owned).into_iter().chain(volumes);
        let found = places.find(|place| path == *place || path.starts_with(&format!("{place}/")));
        found.ok_or_else(|| Error::failed(format!("{} is none of what it says that it has", shown(path.as_bytes()))))
    }

    fn tree(&mut self, first: Entry, place: &str, root: OwnedFd) -> Result<()> {
        let mut extractor = Extractor::new(root.as_fd(), None)?;
        let mut next = Some(first);
        while let Some(mut member) = next {
            let Some(inside) = below(&member.path, place)? else {
                self.next = Some(member);
                break;
            };
            member.path = inside;
            if let Member::HardLink(target) = &mut member.kind {
                let link = || format!("entry {}", shown(target));
                *target = below(target, place)
                    .with_context(link)?
                    .ok_or_else(|| Error::failed("it is linked to what is in another tree"))?;
            }
            extractor.add(&mut self.archive, &member)?;
            next = self.archive.next_member()?;
        }
        extractor.finish()
    }

    fn raw(&mut self, member: &Entry, dir: BorrowedFd<'_>) -> Result<()> {
        let Member::File { size, pieces } = &member.kind else {
            return Err(Error::failed("its disk.raw is no file"));
        };
        let file = create_file(dir, RAW, Mode::RUSR | Mode::WUSR)?;
        write(&mut self.archive, file.as_fd(), *size, pieces, &mut Vec::new())?;
        self.next = self.archive.next_member()?;
        Ok(())
    }
}

/// The path below `place`, as "./…"; none of what lies elsewhere.
fn below(path: &[u8], place: &str) -> Result<Option<Vec<u8>>> {
    let path = normalized(path)?;
    Ok(match path.strip_prefix(place.as_bytes()) {
        Some(b"") => Some(b".".to_vec()),
        Some(rest) if rest.starts_with(b"/") => Some([b".", rest].concat()),
        _ => None,
    })
}

fn check(manifest: &Manifest) -> Result<()> {
    if manifest.version != VERSION {
        let text = format!("it is of version {}, and this soute knows {VERSION}", manifest.version);
        return Err(Error::failed(text));
    }
    let mut names = [&manifest.name, &manifest.image].into_iter().chain(&manifest.volumes);
    names.try_for_each(|name| file_name(name).map(drop)).context(MANIFEST)
}

fn text<R: Read>(archive: &mut Archive<R>, member: &Entry) -> Result<String> {
    let action = || format!("cannot read {}", shown(&member.path));
    match member.kind {
        Member::File { size, .. } if size <= MAX_TEXT => {
            let mut text = String::new();
            archive.take(MAX_TEXT).read_to_string(&mut text).with_context(action)?;
            Ok(text)
        }
        _ => Err(Error::failed("it is no text")).with_context(action),
    }
}
