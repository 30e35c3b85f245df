//! Unpacking an archive into a new directory, and nowhere else: nothing is followed, replaced or written through.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, fstat, ftruncate, linkat, makedev, mkdirat, mknodat,
    symlinkat,
};
use rustix::io::{Errno, pwrite};

use super::access::{MAX_DEPTH, create_file, open_file, open_inside, shown};
use super::acl::{self, Accounts};
use super::archive::Archive;
use super::attributes::{Attributes, Owner};
use super::copy::PATH_MAX;
use super::member::{Kind, Member};
use super::xattr::Target;
use crate::error::{Context, Error, Result};

/// What the directories of an archive may take of our memory until their attributes are set.
const MAX_PENDING: usize = 64 << 20;

/// Unpacks all members below `root`, which is empty.
pub fn extract<R: Read>(archive: &mut Archive<R>, root: BorrowedFd<'_>) -> Result<()> {
    let stat = fstat(root)?;
    let mut extractor = Extractor {
        root,
        born: Owner { uid: stat.st_uid, gid: stat.st_gid },
        pending: BTreeMap::from([(Vec::new(), None)]),
        acls: Vec::new(),
        pending_size: 0,
        parent: None,
        buffer: Vec::new(),
    };
    while let Some(member) = archive.next_member()? {
        extractor.member(archive, &member).with_context(|| format!("entry {}", shown(&member.path)))?;
    }
    extractor.finish()
}

struct Extractor<'a> {
    root: BorrowedFd<'a>,
    born: Owner,
    /// Directories and what they will be; none for those that only have things in them. Set at the end, as times would
    /// change and a default ACL be inherited.
    pending: BTreeMap<Vec<u8>, Option<Attributes>>,
    /// ACLs in text: the image's names are known when it is all there.
    acls: Vec<(Vec<u8>, &'static CStr, Vec<u8>)>,
    pending_size: usize,
    /// The directory that the last member went into: mostly the next one's too.
    parent: Option<(Vec<u8>, OwnedFd)>,
    buffer: Vec<u8>,
}

impl Extractor<'_> {
    fn member<R: Read>(&mut self, archive: &mut Archive<R>, member: &Member) -> Result<()> {
        let path = normalized(&member.path)?;
        for (name, text) in &member.acls {
            self.count(path.len() + text.len() + 64)?;
            self.acls.push((path.clone(), name, text.clone()));
        }
        let Some((parent, name)) = split(&path) else {
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
        let Some((_, parent)) = &self.parent else { return Err(Errno::BADF.into()) };
        let parent = parent.as_fd();
        let made = match &member.kind {
            Kind::File { size, pieces } => {
                let file = create_file(parent, &name, Mode::RUSR | Mode::WUSR).map_err(twice)?;
                write(archive, file.as_fd(), *size, pieces, &mut self.buffer)?;
                return Ok(member.attributes.apply(Target::Open(file.as_fd()), false, self.born)?);
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

    fn directory(&mut self, path: Vec<u8>, name: &CStr, attributes: &Attributes) -> Result<()> {
        let Some((_, parent)) = &self.parent else { return Err(Errno::BADF.into()) };
        match mkdirat(parent, name, Mode::RWXU) {
            // There already for what is in it, and declared only now.
            Err(Errno::EXIST) if matches!(self.pending.get(&path), Some(None)) => {}
            other => other.map_err(twice)?,
        }
        self.declare(path, attributes)
    }

    fn declare(&mut self, path: Vec<u8>, attributes: &Attributes) -> Result<()> {
        if matches!(self.pending.get(&path), Some(Some(_))) {
            return Err(twice(Errno::EXIST));
        }
        let xattrs: usize =
            attributes.xattrs.iter().map(|(name, value)| name.as_bytes().len() + value.len() + 64).sum();
        self.remember(path, Some(attributes.clone()), xattrs)
    }

    fn remember(&mut self, path: Vec<u8>, attributes: Option<Attributes>, xattrs: usize) -> Result<()> {
        self.count(path.len() + xattrs + 128)?;
        self.pending.insert(path, attributes);
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.pending_size += bytes;
        if self.pending_size > MAX_PENDING {
            return Err(Error::failed("the archive has too many directories or ACLs"));
        }
        Ok(())
    }

    /// A name that the archive has already, of anything but a directory.
    fn hard_link(&self, target: &[u8], parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let action = || format!("cannot link it to {}", shown(target));
        let target = normalized(target).with_context(action)?;
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
                Ok(()) => self.remember(part.to_owned(), None, 0)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        open_parent(self.root, path).map_err(|errno| through(errno, path))
    }

    fn set_acls(&mut self) -> Result<()> {
        if self.acls.is_empty() {
            return Ok(());
        }
        let accounts = Accounts::parse(&read_text(self.root, c"etc/passwd"), &read_text(self.root, c"etc/group"));
        for (path, name, text) in std::mem::take(&mut self.acls) {
            let value = acl::from_text(&text, &accounts);
            value
                .and_then(|value| self.set_late(&path, name, value))
                .with_context(|| format!("entry {}", shown(&path)))?;
        }
        Ok(())
    }

    fn set_late(&mut self, path: &[u8], name: &CStr, value: Vec<u8>) -> Result<()> {
        match self.pending.get_mut(path) {
            Some(attributes) => attributes.iter_mut().for_each(|a| a.xattrs.push((name.to_owned(), value.clone()))),
            None => Target::Open(open_file(self.root, &c_string(path)?)?.as_fd()).set(name, &value)?,
        }
        Ok(())
    }

    /// Gives all directories their attributes.
    fn finish(mut self) -> Result<()> {
        const EPOCH: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.set_acls()?;
        while let Some((path, attributes)) = self.pending.pop_last() {
            // What the archive does not say must not depend on when it is unpacked, or its digest would.
            let attributes = attributes.unwrap_or_else(|| Attributes {
                owner: self.born,
                mode: 0o755,
                times: Timestamps { last_access: EPOCH, last_modification: EPOCH },
                xattrs: Vec::new(),
            });
            let dir = open_directory(self.root, &path, OFlags::RDONLY);
            dir.and_then(|dir| attributes.apply(Target::Open(dir.as_fd()), false, self.born))
                .with_context(|| format!("entry {}", shown(&path)))?;
        }
        Ok(())
    }
}

/// Writes the pieces of a file; what is between them stays a hole.
fn write<R: Read>(
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

/// A small text file of the image, empty if there is none to read.
fn read_text(root: BorrowedFd<'_>, path: &CStr) -> String {
    const MAX: u64 = 1 << 20;
    let mut text = Vec::new();
    if let Ok(file) = open_file(root, path)
        && fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    {
        let _ = File::from(file).take(MAX).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The components of a member's path, joined again: empty for the root itself.
fn normalized(path: &[u8]) -> Result<Vec<u8>> {
    if path.is_empty() {
        return Err(Error::failed("it has no name"));
    }
    if path.starts_with(b"/") {
        return Err(Error::failed("its name is an absolute path"));
    }
    let parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    if parts.contains(&&b".."[..]) {
        return Err(Error::failed("its name has \"..\" in it"));
    }
    if parts.len() > MAX_DEPTH {
        return Err(Error::failed(format!("deeper than {MAX_DEPTH} directories")));
    }
    let path = parts.join(&b'/');
    if path.len() >= PATH_MAX { Err(Error::failed(format!("its name has {PATH_MAX} bytes or more"))) } else { Ok(path) }
}

/// Parent and last component, none for the root.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => Some((&path[..at], &path[at + 1..])),
        None if path.is_empty() => None,
        None => Some((&[], path)),
    }
}

fn open_parent(root: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    open_directory(root, path, OFlags::PATH)
}

fn open_directory(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let path = if path.is_empty() { c".".to_owned() } else { CString::new(path).map_err(|_| Errno::INVAL)? };
    open_inside(root, &path, flags | OFlags::DIRECTORY)
}

fn through(errno: Errno, path: &[u8]) -> Error {
    match errno {
        Errno::LOOP => Error::failed(format!("it lies behind the symbolic link {}", shown(path))),
        Errno::NOTDIR => Error::failed(format!("it lies in {}, which is no directory", shown(path))),
        other => Err::<(), _>(other).with_context(|| format!("cannot open {}", shown(path))).unwrap_err(),
    }
}

fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Error::failed("a name has a NUL in it"))
}

fn twice(errno: Errno) -> Error {
    match errno {
        Errno::EXIST => Error::failed("it is in the archive twice"),
        other => other.into(),
    }
}
