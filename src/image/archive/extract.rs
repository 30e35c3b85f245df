//! Unpacking archives into a new directory, and nowhere else: nothing is followed or written through, and nothing is
//! replaced but what an earlier layer left.

use std::ffi::CStr;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, fstat, ftruncate, linkat, makedev, mkdirat, mknodat, symlinkat};
use rustix::io::{Errno, pwrite};

use crate::error::{Context, Error, Result};
use crate::image::archive::Archive;
use crate::image::archive::layer::Layers;
use crate::image::archive::member::{Kind, Member};
use crate::image::archive::path::{c_string, normalized, open_parent, split, through};
use crate::image::archive::pending::Pending;
use crate::image::tree::access::{create_file, shown};
use crate::image::tree::attributes::{Attributes, Owner};
use crate::image::tree::xattr::Target;

/// Unpacks all members of the one archive below `root`, which is empty.
pub fn extract<R: Read>(archive: &mut Archive<R>, root: BorrowedFd<'_>) -> Result<()> {
    let mut extractor = Extractor::new(root, None)?;
    extractor.members(archive)?;
    extractor.finish()
}

/// A root in the making.
pub struct Extractor<'a> {
    pub(super) root: BorrowedFd<'a>,
    born: Owner,
    pub(super) pending: Pending,
    /// Whether members may take the place of others; without it an archive that has a name twice is refused.
    pub(super) layers: Option<Layers>,
    /// The directory that the last member went into: mostly the next one's too.
    pub(super) parent: Option<(Vec<u8>, OwnedFd)>,
    buffer: Vec<u8>,
}

impl<'a> Extractor<'a> {
    pub(in crate::image) fn new(root: BorrowedFd<'a>, layers: Option<Layers>) -> Result<Self> {
        let stat = fstat(root)?;
        let born = Owner { uid: stat.st_uid, gid: stat.st_gid };
        Ok(Self { root, born, pending: Pending::default(), layers, parent: None, buffer: Vec::new() })
    }

    /// Unpacks one member.
    pub fn add<R: Read>(&mut self, archive: &mut Archive<R>, member: &Member) -> Result<()> {
        self.member(archive, member).with_context(|| format!("entry {}", shown(&member.path)))
    }

    pub(super) fn members<R: Read>(&mut self, archive: &mut Archive<R>) -> Result<()> {
        while let Some(member) = archive.next_member()? {
            self.member(archive, &member).with_context(|| format!("entry {}", shown(&member.path)))?;
        }
        Ok(())
    }

    /// Sets what has to wait until all is there.
    pub fn finish(self) -> Result<()> {
        self.pending.apply(self.root, self.born)
    }

    fn member<R: Read>(&mut self, archive: &mut Archive<R>, member: &Member) -> Result<()> {
        let path = self.path(&member.path)?;
        if self.layers.is_some() && self.whiteout(&path, &member.kind)? {
            return Ok(());
        }
        self.create(archive, &path, member)?;
        self.pending.acls(&path, &member.acls)
    }

    /// Of layers absolute paths are taken as the image's: umoci writes them.
    fn path(&self, path: &[u8]) -> Result<Vec<u8>> {
        match self.layers.is_some() && path.starts_with(b"/") {
            true => normalized(&[b".", path].concat()),
            false => normalized(path),
        }
    }

    fn create<R: Read>(&mut self, archive: &mut Archive<R>, path: &[u8], member: &Member) -> Result<()> {
        let Some((parent, name)) = split(path) else {
            return match member.kind {
                Kind::Directory => self.declare(path, &member.attributes),
                _ => Err(Error::failed("the root of an image has to be a directory")),
            };
        };
        let name = c_string(name)?;
        self.enter(parent)?;
        if member.kind == Kind::Directory {
            return self.directory(path, &name, &member.attributes);
        }
        self.make_room(path, &name)?;
        let Some((_, parent)) = &self.parent else { return Err(Errno::BADF.into()) };
        let parent = parent.as_fd();
        let made = match &member.kind {
            Kind::File { size, pieces } => {
                let file = create_file(parent, &name, member.attributes.creation_mode()).map_err(twice)?;
                write(archive, file.as_fd(), *size, pieces, &mut self.buffer)?;
                return Ok(member.attributes.complete(file.as_fd())?);
            }
            Kind::HardLink(target) => return self.hard_link(target, parent, &name),
            Kind::Symlink(target) => symlinkat(&*c_string(target.as_slice())?, parent, &*name),
            Kind::Fifo => mknodat(parent, &*name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0),
            Kind::Character(major, minor) => {
                mknodat(parent, &*name, FileType::CharacterDevice, Mode::RUSR | Mode::WUSR, makedev(*major, *minor))
            }
            Kind::Block(major, minor) => {
                mknodat(parent, &*name, FileType::BlockDevice, Mode::RUSR | Mode::WUSR, makedev(*major, *minor))
            }
            Kind::Directory => Ok(()),
        };
        made.map_err(twice)?;
        let symlink = matches!(member.kind, Kind::Symlink(_));
        Ok(member.attributes.apply(Target::Name(parent, &name), symlink, self.born)?)
    }

    fn directory(&mut self, path: &[u8], name: &CStr, attributes: &Attributes) -> Result<()> {
        self.touch(path)?;
        let Some((_, parent)) = &self.parent else { return Err(Errno::BADF.into()) };
        match mkdirat(parent, name, Mode::RWXU) {
            Err(Errno::EXIST) if self.layers.is_some() => self.replace_by_directory(path, name)?,
            // There already for what is in it, and declared only now.
            Err(Errno::EXIST) if self.pending.is_implied(path) => {}
            other => other.map_err(twice)?,
        }
        self.declare(path, attributes)
    }

    fn declare(&mut self, path: &[u8], attributes: &Attributes) -> Result<()> {
        if self.layers.is_none() && self.pending.is_declared(path) {
            return Err(twice(Errno::EXIST));
        }
        self.pending.directory(path.to_owned(), Some(attributes.clone()))
    }

    /// A name that is there already, of anything but a directory.
    fn hard_link(&self, target: &[u8], parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let action = || format!("cannot link it to {}", shown(target));
        let target = self.path(target).with_context(action)?;
        let (dir, file) = split(&target).ok_or(Errno::ISDIR).with_context(action)?;
        let dir = open_parent(self.root, dir).map_err(|errno| through(errno, dir)).with_context(action)?;
        match linkat(&dir, &*c_string(file)?, parent, name, AtFlags::empty()) {
            Err(Errno::EXIST) => Err(twice(Errno::EXIST)),
            Err(Errno::NOENT) => Err(Error::failed("the archive has no such entry before it")).with_context(action),
            other => other.with_context(action),
        }
    }

    /// Makes `path` the directory at hand, with those above it where the archive has left them out.
    fn enter(&mut self, path: &[u8]) -> Result<()> {
        if self.parent.as_ref().is_some_and(|(at, _)| at == path) {
            return Ok(());
        }
        self.touch_above(path)?;
        let dir = match open_parent(self.root, path) {
            Err(Errno::NOENT) => self.create_parents(path)?,
            other => other.map_err(|errno| through(errno, path))?,
        };
        self.parent = Some((path.to_owned(), dir));
        Ok(())
    }

    fn create_parents(&mut self, path: &[u8]) -> Result<OwnedFd> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]);
        for part in ends.map(|end| &path[..end]) {
            let (parent, name) = split(part).ok_or(Errno::INVAL)?;
            let dir = open_parent(self.root, parent).map_err(|errno| through(errno, parent))?;
            match mkdirat(&dir, &*c_string(name)?, Mode::RWXU) {
                Ok(()) => self.pending.directory(part.to_owned(), None)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        open_parent(self.root, path).map_err(|errno| through(errno, path))
    }
}

/// Writes the pieces of a file; what is between them stays a hole.
pub(in crate::image) fn write<R: Read>(
    archive: &mut Archive<R>,
    file: BorrowedFd<'_>,
    size: u64,
    pieces: &[(u64, u64)],
    buffer: &mut Vec<u8>,
) -> Result<()> {
    buffer.resize(256 << 10, 0);
    for &(offset, length) in pieces {
        let mut done = 0;
        while done < length {
            let wanted = usize::try_from(length - done).unwrap_or(usize::MAX).min(buffer.len());
            let read = archive.read(&mut buffer[..wanted])?;
            let mut written = 0;
            while written < read {
                written += pwrite(file, &buffer[written..read], offset + done + written as u64)?;
            }
            done += read as u64;
        }
    }
    Ok(ftruncate(file, size)?)
}

fn twice(errno: Errno) -> Error {
    match errno {
        Errno::EXIST => Error::failed("it is in the archive twice"),
        other => other.into(),
    }
}
