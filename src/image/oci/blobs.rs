//! Where blobs come from: a layout's directory, or the members of an archive.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use super::digest::{Digest, Hashed, is_hex};
use super::document::{Descriptor, MAX_DOCUMENT};
use crate::error::{Context, Error, Result};
use crate::image::archive::member::Kind;
use crate::image::archive::path::{join, normalized, split};
use crate::image::archive::{Archive, End};
use crate::image::tree::access::{open_file, shown};

/// Members of an archive of images: docker writes three for each layer.
const MAX_MEMBERS: usize = 1 << 16;
const MAX_NAMES: usize = 16 << 20;
/// Links one after the other; docker writes one, for a layer that it has already.
const MAX_LINKS: usize = 8;

/// A source of blobs and of the files that lead to them.
pub enum Blobs {
    /// A directory that is an OCI layout.
    Directory(OwnedFd),
    /// An archive of an OCI layout, or of `docker save`.
    Archive(Members),
    /// A registry: documents when they are asked for, layers when they have been brought.
    Fetched(Fetched),
}

/// What brings a document.
pub type Bring = dyn Fn(&Descriptor) -> Result<Vec<u8>>;

/// What comes from a registry.
pub struct Fetched {
    /// Brings a document.
    pub document: Box<Bring>,
    /// Layers that are here.
    pub layers: BTreeMap<Digest, File>,
}

/// A stream, and how long it is.
pub struct Stream<'a> {
    /// Bytes in it.
    pub size: u64,
    /// The bytes.
    pub reader: Box<dyn Read + Send + 'a>,
}

impl Blobs {
    /// A blob, to be held against its digest by whoever reads it.
    pub fn open(&self, descriptor: &Descriptor) -> Result<Stream<'_>> {
        let Descriptor { digest, size, .. } = descriptor;
        if let Self::Fetched(fetched) = self {
            return fetched.open(descriptor);
        }
        let found = self.file(&format!("blobs/sha256/{}", digest.hex()))?;
        let stream = found.ok_or_else(|| Error::failed(format!("blob {digest} is missing")))?;
        match stream.size == *size {
            true => Ok(stream),
            false => Err(Error::failed(format!("blob {digest} has {} bytes instead of {size}", stream.size))),
        }
    }

    /// A blob that is a document.
    pub fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let bytes = bounded(self.open(descriptor)?)?;
        Hashed::new(&bytes[..], None).finish(&descriptor.digest)?;
        Ok(bytes)
    }

    /// A document by its name, none where there is none.
    pub fn named(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.file(name)?.map(bounded).transpose().with_context(|| shown(name.as_bytes()))
    }

    /// A file by its path, none where there is none.
    pub fn file(&self, path: &str) -> Result<Option<Stream<'_>>> {
        match self {
            Self::Archive(members) => members.open(path.as_bytes()),
            Self::Fetched(_) => Ok(None),
            Self::Directory(dir) => {
                let name = CString::new(path).map_err(Error::failed)?;
                let file = match open_file(dir.as_fd(), &name) {
                    Err(Errno::NOENT) => return Ok(None),
                    other => other.with_context(|| format!("cannot open {path}"))?,
                };
                let stat = fstat(&file)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(Error::failed(format!("{path} is not a regular file")));
                }
                let size = u64::try_from(stat.st_size).unwrap_or_default();
                Ok(Some(Stream { size, reader: Box::new(File::from(file)) }))
            }
        }
    }
}

impl Fetched {
    fn open(&self, descriptor: &Descriptor) -> Result<Stream<'_>> {
        let reader: Box<dyn Read + Send + '_> = match self.layers.get(&descriptor.digest) {
            Some(file) => Box::new(Part::whole(file)?),
            None => Box::new(io::Cursor::new((self.document)(descriptor)?)),
        };
        Ok(Stream { size: descriptor.size, reader })
    }
}

fn bounded(stream: Stream<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.reader.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_DOCUMENT {
        true => Err(Error::failed(format!("a document has more than {MAX_DOCUMENT} bytes"))),
        false => Ok(bytes),
    }
}

/// The members of an archive, and where in it they are.
pub struct Members {
    file: File,
    places: BTreeMap<Vec<u8>, Place>,
}

enum Place {
    Content { at: u64, size: u64 },
    Link(Vec<u8>),
}

impl Members {
    /// Reads the headers of an archive that is not compressed.
    pub fn read(file: File) -> Result<Self> {
        let mut places = BTreeMap::new();
        let mut names = 0;
        let mut archive = Archive::new(Part { file: &file, at: 0, end: file.metadata()?.len() }, End::Zeros);
        while let Some(member) = archive.next_member()? {
            let at = archive.reader().at;
            let size = archive.pass_over(Part::pass)?;
            let action = || format!("entry {}", shown(&member.path));
            let path = normalized(&member.path).with_context(action)?;
            let place = match member.kind {
                Kind::File { pieces, .. } if pieces == [(0, size)] => Place::Content { at, size },
                Kind::Symlink(target) => Place::Link(linked(&path, &target).with_context(action)?),
                Kind::HardLink(target) => Place::Link(normalized(&target).with_context(action)?),
                Kind::Directory => continue,
                _ => return Err(Error::failed("it is not a plain file")).with_context(action),
            };
            names += path.len();
            if places.insert(path, place).is_some() {
                return Err(Error::failed("it is in the archive twice")).with_context(action);
            }
            if places.len() > MAX_MEMBERS || names > MAX_NAMES {
                return Err(Error::failed("the archive has too many entries for one of images"));
            }
        }
        Ok(Self { file, places })
    }

    /// Is it an archive of images?
    pub fn has_images(&self) -> bool {
        let has = |name: &str| self.places.contains_key(name.as_bytes());
        (has("oci-layout") && has("index.json")) || has("manifest.json")
    }

    /// The archive itself.
    pub fn into_file(self) -> File {
        self.file
    }

    fn open(&self, path: &[u8]) -> Result<Option<Stream<'_>>> {
        let mut path = normalized(path)?;
        for _ in 0..MAX_LINKS {
            match self.places.get(&path) {
                None => return Ok(None),
                Some(Place::Link(target)) => path.clone_from(target),
                Some(Place::Content { at, size }) => {
                    let reader = Part { file: &self.file, at: *at, end: at.saturating_add(*size) };
                    return Ok(Some(Stream { size: *size, reader: Box::new(reader) }));
                }
            }
        }
        Err(Error::failed(format!("{} has too many links", shown(&path))))
    }
}

/// The member that a symbolic link in an archive leads to.
fn linked(path: &[u8], target: &[u8]) -> Result<Vec<u8>> {
    let mut at = split(path).map_or_else(Vec::new, |(parent, _)| parent.to_owned());
    for part in target.split(|&byte| byte == b'/') {
        at = match part {
            b"" | b"." => continue,
            b".." => split(&at).ok_or_else(|| Error::failed("it leads out of the archive"))?.0.to_owned(),
            name => join(&at, name),
        };
    }
    Ok(at)
}

/// May an archive that begins with this name be one of images? What is in it decides in the end.
pub fn may_have_images(first: &[u8]) -> bool {
    let top = first.split(|&byte| byte == b'/').next().unwrap_or_default();
    let top = std::str::from_utf8(top).unwrap_or_default();
    matches!(top, "blobs" | "oci-layout" | "index.json" | "manifest.json" | "repositories")
        || is_hex(top.trim_end_matches(".tar").trim_end_matches(".json"))
}

/// A part of a file; reading it moves no offset that others have.
pub struct Part<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl<'a> Part<'a> {
    /// All of it.
    pub fn whole(file: &'a File) -> Result<Self> {
        Ok(Self { file, at: 0, end: file.metadata()?.len() })
    }

    fn pass(&mut self, bytes: u64) -> Result<()> {
        self.at = self.at.saturating_add(bytes);
        if self.at > self.end { Err(Error::failed("the archive is cut off")) } else { Ok(()) }
    }
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.file.read_at(&mut buffer[..left], self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

/// The digest that the name of a member of `docker save` gives its content, if it gives one.
pub fn named_digest(path: &str) -> Option<Digest> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(".json").unwrap_or(name);
    format!("sha256:{name}").parse().ok()
}
