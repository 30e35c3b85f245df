//! Unpacking a stream of files into a tree that is in use: directories are merged, files take the place of files, and
//! nothing is followed or written through, whatever is found on the way or put there meanwhile.

use std::ffi::CStr;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, linkat, mkdirat, symlinkat, unlinkat};
use rustix::io::Errno;

use crate::error::{Context, Error, Result};
use crate::image::archive::Archive;
use crate::image::archive::extract::write;
use crate::image::archive::member::{Kind, Member};
use crate::image::archive::path::{c_string, join, normalized, split, through};
use crate::image::tree::access::{Reach, create_file, shown};
use crate::image::tree::attributes::{Attributes, Owner};
use crate::image::tree::xattr::{Shift, Target};

/// What the directories in it may take of our memory.
const MAX_SIZE: usize = 64 << 20;

/// What becomes of the attributes of what comes.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Whose files they are; those of the archive, by default.
    pub owner: Option<Owner>,
    /// What another may have made must not have power here: no set-user-ID, and no attributes but the users' own.
    pub disarm: bool,
    /// To the ids of the tree.
    pub shift: Option<Shift>,
    /// Larger ids are nobody's there.
    pub ids: Option<u32>,
}

/// A directory, and the name in it that the root of the archive gets; none where the root is the directory itself.
#[derive(Debug)]
pub struct Place {
    /// The directory.
    pub dir: OwnedFd,
    /// The name.
    pub name: Option<Vec<u8>>,
}

/// Unpacks all members. `place` is told whether the archive is a directory. Devices, FIFOs and sockets are left out: their
/// paths come back.
pub fn receive<R: Read>(
    archive: &mut Archive<R>,
    policy: Policy,
    place: impl FnOnce(bool) -> Result<Place>,
) -> Result<Vec<Vec<u8>>> {
    let Some(first) = archive.next_member()? else { return Err(Error::failed("there is nothing to copy")) };
    let place = place(!is_single(&first)?)?;
    let mut receiver = Receiver {
        base: place.dir.as_fd(),
        top: place.name.unwrap_or_default(),
        single: is_single(&first)?,
        policy,
        parent: None,
        made: Vec::new(),
        size: 0,
        left_out: Vec::new(),
        buffer: Vec::new(),
    };
    let mut next = Some(first);
    while let Some(member) = next {
        receiver.member(archive, &member).with_context(|| format!("cannot write {}", shown(&member.path)))?;
        next = archive.next_member()?;
    }
    receiver.finish()
}

/// Whoever packs a directory begins with it.
fn is_single(first: &Member) -> Result<bool> {
    Ok(!normalized(&first.path)?.is_empty() && first.kind != Kind::Directory)
}

struct Receiver<'a> {
    base: BorrowedFd<'a>,
    top: Vec<u8>,
    /// One file, which gets the name of the place.
    single: bool,
    policy: Policy,
    /// The directory that the last member went into: mostly the next one's too.
    parent: Option<(Vec<u8>, OwnedFd)>,
    /// Directories of ours, whose attributes come last: what is made in them changes their times.
    made: Vec<(Vec<u8>, Attributes)>,
    size: usize,
    left_out: Vec<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Receiver<'_> {
    fn member<R: Read>(&mut self, archive: &mut Archive<R>, member: &Member) -> Result<()> {
        let path = self.path(&member.path)?;
        if matches!(member.kind, Kind::Fifo | Kind::Character(..) | Kind::Block(..)) {
            self.left_out.push(member.path.clone());
            return Ok(());
        }
        let attributes = self.attributes(&member.attributes)?;
        let Some((above, name)) = split(&path) else {
            return match member.kind {
                Kind::Directory => Ok(()),
                _ => Err(Error::failed("it has no name")),
            };
        };
        let name = c_string(name)?;
        let parent = self.enter(above)?;
        if member.kind == Kind::Directory {
            return self.directory(path, parent.as_fd(), &name, attributes);
        }
        make_room(parent.as_fd(), &name)?;
        match &member.kind {
            Kind::File { size, pieces } => {
                let file = create_file(parent.as_fd(), &name, Mode::RUSR | Mode::WUSR)?;
                write(archive, file.as_fd(), *size, pieces, &mut self.buffer)?;
                apply(&attributes, Target::Open(file.as_fd()), false)
            }
            Kind::HardLink(target) => self.hard_link(target, parent.as_fd(), &name),
            Kind::Symlink(target) => {
                symlinkat(&*c_string(target.as_slice())?, &parent, &*name)?;
                apply(&attributes, Target::Name(parent.as_fd(), &name), true)
            }
            _ => Ok(()),
        }
    }

    /// Below the base.
    fn path(&self, path: &[u8]) -> Result<Vec<u8>> {
        let path = normalized(path)?;
        Ok(match (self.single, self.top.is_empty(), path.is_empty()) {
            (true, false, _) | (_, _, true) => self.top.clone(),
            (_, true, _) => path,
            _ => join(&self.top, &path),
        })
    }

    fn attributes(&self, found: &Attributes) -> Result<Attributes> {
        let mut attributes = found.clone();
        if let Some(owner) = self.policy.owner {
            attributes.owner = owner;
            attributes.xattrs.clear();
        }
        if self.policy.disarm {
            attributes.mode &= 0o1777;
            attributes.xattrs.retain(|(name, _)| name.to_bytes().starts_with(b"user."));
        }
        let Owner { uid, gid } = attributes.owner;
        if let Some(id) = self.policy.ids.and_then(|ids| [uid, gid].into_iter().find(|id| *id >= ids)) {
            return Err(Error::failed(format!("its owner {id} is none of the container's ids")));
        }
        Ok(match self.policy.shift {
            Some(shift) => attributes.shifted(shift)?,
            None => attributes,
        })
    }

    fn directory(&mut self, path: Vec<u8>, parent: BorrowedFd<'_>, name: &CStr, attributes: Attributes) -> Result<()> {
        match mkdirat(parent, name, Mode::RWXU) {
            // One that is there stays as it is.
            Err(Errno::EXIST) => match Reach::Mounts.open(parent, name, OFlags::PATH | OFlags::DIRECTORY) {
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    Err(Error::failed("what is there is no directory, and none takes its place"))
                }
                other => Ok(other.map(drop)?),
            },
            other => {
                other?;
                self.remember(path, attributes)
            }
        }
    }

    fn remember(&mut self, path: Vec<u8>, attributes: Attributes) -> Result<()> {
        let xattrs = attributes.xattrs.iter().map(|(name, value)| name.as_bytes().len() + value.len() + 64);
        self.size += path.len() + 128 + xattrs.sum::<usize>();
        self.made.push((path, attributes));
        if self.size > MAX_SIZE { Err(Error::failed("there are too many directories")) } else { Ok(()) }
    }

    /// A further name of what has come before it.
    fn hard_link(&self, target: &[u8], parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let action = || format!("cannot link it to {}", shown(target));
        let target = self.path(target).with_context(action)?;
        let (above, file) = split(&target).ok_or(Errno::ISDIR).with_context(action)?;
        let dir = self.open(above).map_err(|errno| through(errno, above)).with_context(action)?;
        linkat(&dir, &*c_string(file)?, parent, name, AtFlags::empty()).with_context(action)
    }

    fn open(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        let path = if path.is_empty() { c".".to_owned() } else { c_string(path).map_err(|_| Errno::INVAL)? };
        Reach::Mounts.open(self.base, &path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// Opens a directory to work in, with those above it where nobody has made them.
    fn enter(&mut self, path: &[u8]) -> Result<OwnedFd> {
        if let Some((at, dir)) = &self.parent
            && at == path
        {
            return Ok(dir.try_clone()?);
        }
        let dir = match self.open(path) {
            Err(Errno::NOENT) => self.create_parents(path)?,
            other => other.map_err(|errno| through(errno, path))?,
        };
        self.parent = Some((path.to_owned(), dir.try_clone()?));
        Ok(dir)
    }

    fn create_parents(&mut self, path: &[u8]) -> Result<OwnedFd> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]);
        for part in ends.map(|end| &path[..end]) {
            let (above, name) = split(part).ok_or(Errno::INVAL)?;
            let dir = self.open(above).map_err(|errno| through(errno, above))?;
            match mkdirat(&dir, &*c_string(name)?, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.open(path).map_err(|errno| through(errno, path))
    }

    fn finish(mut self) -> Result<Vec<Vec<u8>>> {
        while let Some((path, attributes)) = self.made.pop() {
            let path_of = c_string(path.as_slice())?;
            let dir = Reach::Mounts.open(self.base, &path_of, OFlags::RDONLY | OFlags::DIRECTORY);
            dir.map_err(Error::from)
                .and_then(|dir| apply(&attributes, Target::Open(dir.as_fd()), false))
                .with_context(|| format!("cannot write {}", shown(&path)))?;
        }
        Ok(self.left_out)
    }
}

/// Who owns a new file depends on its directory too: it is always said.
fn apply(attributes: &Attributes, target: Target<'_>, symlink: bool) -> Result<()> {
    const UNKNOWN: Owner = Owner { uid: u32::MAX, gid: u32::MAX };
    Ok(attributes.apply(target, symlink, UNKNOWN)?)
}

/// A file, or a link, is replaced by what comes.
fn make_room(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => Err(Error::failed("a directory is there, and no file takes its place")),
        Err(Errno::BUSY) => Err(Error::failed("something is mounted there, which cannot be replaced")),
        Err(error) => Err(error.into()),
    }
}
