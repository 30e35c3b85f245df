//! Writing a tree as a tar archive: POSIX's pax format with what GNU tar adds to it, and nothing that `archive` cannot
//! read back. The same tree gives the same bytes.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, SeekFrom, Stat, fstat, major, minor, readlinkat, seek, statat};
use rustix::io::{Errno, pread};
use tar::{EntryType, Header};

use crate::error::{Context, Error, Result};
use crate::image::archive::layer;
use crate::image::archive::pax::{MAX_NUMBER, Records};
use crate::image::tree::access::{self, MAX_DEPTH, Reach, list};
use crate::image::tree::attributes::Attributes;
use crate::image::tree::xattr::{Shift, Target};

const BLOCK: u64 = 512;
/// What seven octal digits hold: ids.
const MAX_ID: u32 = 0o777_7777;
const BUFFER: usize = 256 << 10;

/// How a tree is looked at.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// How far.
    pub reach: Reach,
    /// To the ids that the archive will have.
    pub shift: Option<Shift>,
    /// As a layer of an image, where some names mean that others go.
    pub layer: bool,
}

/// A tree of which all is the archive's.
pub const WHOLE: View = View { reach: Reach::Inside, shift: None, layer: false };

/// Writes all of a tree. Sockets are left out, as an archive has no such member: their paths come back.
pub fn pack(root: BorrowedFd<'_>, out: &mut dyn Write, progress: &mut dyn FnMut(u64)) -> Result<Vec<Vec<u8>>> {
    pack_as(b".", root, WHOLE, out, progress)
}

/// Writes a tree whose root has the name `path` in the archive, or one regular file of that name, and the end of it.
pub fn pack_as(
    path: &[u8],
    file: BorrowedFd<'_>,
    view: View,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Vec<u8>>> {
    let sockets = pack_part(path, file, view, out, progress)?;
    pack_end(out)?;
    Ok(sockets)
}

/// The same without the end.
pub fn pack_part(
    path: &[u8],
    file: BorrowedFd<'_>,
    view: View,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Vec<u8>>> {
    let mut packer = Packer {
        out,
        progress,
        view,
        links: HashMap::new(),
        sockets: Vec::new(),
        path: path.to_owned(),
        xattrs: Vec::new(),
        buffer: vec![0; BUFFER],
    };
    let packed = match FileType::from_raw_mode(fstat(file)?.st_mode) {
        FileType::Directory => packer.directory(file, 0),
        _ => packer.file(file),
    };
    packed.with_context(|| format!("cannot write {}", access::shown(&packer.path)))?;
    Ok(packer.sockets)
}

/// Writes a small file of ours.
pub fn pack_text(path: &str, text: &str, out: &mut dyn Write) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_path(path).with_context(|| format!("cannot write {path}"))?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(text.len() as u64);
    header.set_cksum();
    out.write_all(header.as_bytes())?;
    out.write_all(text.as_bytes())?;
    let missing = (text.len() as u64).next_multiple_of(BLOCK) - text.len() as u64;
    Ok(out.write_all(&[0; BLOCK as usize][..usize::try_from(missing).unwrap_or_default()])?)
}

/// Writes the end of an archive.
pub fn pack_end(out: &mut dyn Write) -> Result<()> {
    Ok(out.write_all(&[0; 2 * BLOCK as usize])?)
}

struct Packer<'a> {
    out: &'a mut dyn Write,
    progress: &'a mut dyn FnMut(u64),
    view: View,
    /// The first name of a file with several.
    links: HashMap<(u64, u64), Vec<u8>>,
    sockets: Vec<Vec<u8>>,
    path: Vec<u8>,
    xattrs: Vec<u8>,
    buffer: Vec<u8>,
}

/// What the headers of one member say besides its path.
struct Member<'a> {
    kind: EntryType,
    attributes: &'a Attributes,
    /// Where a link leads.
    link: &'a [u8],
    device: u64,
    /// Bytes of content in the archive.
    stored: u64,
    records: Records,
}

impl Packer<'_> {
    fn directory(&mut self, dir: BorrowedFd<'_>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::failed(format!("deeper than {MAX_DEPTH} directories")));
        }
        let attributes = self.attributes(&fstat(dir)?, Target::Open(dir))?;
        self.path.push(b'/');
        self.plain(EntryType::Directory, &attributes, b"", 0)?;
        let mut entries = list(dir)?;
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let length = self.path.len();
        for entry in entries {
            self.path.extend_from_slice(entry.name.to_bytes());
            if self.view.layer && entry.name.to_bytes().starts_with(layer::PREFIX) {
                return Err(Error::failed("in a layer that name would hide another"));
            }
            self.entry(dir, &entry.name, depth)?;
            self.path.truncate(length);
        }
        self.path.pop();
        Ok(())
    }

    fn entry(&mut self, dir: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::Directory => return self.directory(self.view.reach.open_dir(dir, name)?.as_fd(), depth + 1),
            FileType::Socket => {
                self.sockets.push(self.path.clone());
                return Ok(());
            }
            _ => {}
        }
        let attributes = match kind {
            FileType::RegularFile => None,
            _ => Some(self.attributes(&stat, Target::Name(dir, name))?),
        };
        if let Some(first) = self.first_name(&stat) {
            let attributes = attributes.map_or_else(|| self.shifted(Attributes::of(&stat, Vec::new())), Ok)?;
            return self.plain(EntryType::Link, &attributes, &first, 0);
        }
        #[allow(clippy::unnecessary_cast, reason = "another type on other architectures")]
        let device = stat.st_rdev as u64;
        match (kind, attributes) {
            (FileType::Symlink, Some(attributes)) => {
                let target = readlinkat(dir, name, Vec::new())?;
                self.plain(EntryType::Symlink, &attributes, target.as_bytes(), 0)
            }
            (FileType::Fifo, Some(attributes)) => self.plain(EntryType::Fifo, &attributes, b"", 0),
            (FileType::CharacterDevice, Some(attributes)) => self.plain(EntryType::Char, &attributes, b"", device),
            (FileType::BlockDevice, Some(attributes)) => self.plain(EntryType::Block, &attributes, b"", device),
            (FileType::RegularFile, _) => self.file(self.view.reach.open_file(dir, name)?.as_fd()),
            _ => Err(Error::failed("it is of no known type")),
        }
    }

    /// The name that a further name of a file leads to; none of what has one, or is seen for the first time.
    fn first_name(&mut self, stat: &Stat) -> Option<Vec<u8>> {
        if stat.st_nlink < 2 {
            return None;
        }
        #[allow(clippy::unnecessary_cast, reason = "another type on other architectures")]
        let inode = (stat.st_dev as u64, stat.st_ino as u64);
        let first = self.links.entry(inode).or_insert_with(|| self.path.clone());
        (*first != self.path).then(|| first.clone())
    }

    fn attributes(&mut self, stat: &Stat, target: Target<'_>) -> Result<Attributes> {
        let attributes = Attributes::of(stat, target.read(&mut self.xattrs)?);
        self.shifted(attributes)
    }

    fn shifted(&self, attributes: Attributes) -> Result<Attributes> {
        Ok(match self.view.shift {
            Some(shift) => attributes.shifted(shift)?,
            None => attributes,
        })
    }

    fn plain(&mut self, kind: EntryType, attributes: &Attributes, link: &[u8], device: u64) -> Result<()> {
        let member = Member { kind, attributes, link, device, stored: 0, records: Records::default() };
        let path = self.path.clone();
        self.header(&path, &path, member)
    }

    /// A regular file; one with holes in GNU tar's format 1.0, whose content begins with a map of what is there.
    fn file(&mut self, file: BorrowedFd<'_>) -> Result<()> {
        let stat = fstat(file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::failed("changed while it was read"));
        }
        let size = u64::try_from(stat.st_size).map_err(|_| Errno::INVAL)?;
        let attributes = self.attributes(&stat, Target::Open(file))?;
        let (pieces, path) = (pieces(file, size)?, self.path.clone());
        let mut member = Member {
            kind: EntryType::Regular,
            attributes: &attributes,
            link: b"",
            device: 0,
            stored: size,
            records: Records::default(),
        };
        let Some(pieces) = pieces else {
            self.header(&path, &path, member)?;
            self.content(file, 0, size)?;
            return self.fill(size);
        };
        let mut map = format!("{}\n", pieces.len());
        pieces.iter().for_each(|(offset, length)| map += &format!("{offset}\n{length}\n"));
        let mut map = map.into_bytes();
        map.resize(map.len().next_multiple_of(BLOCK as usize), 0);
        member.stored = map.len() as u64 + pieces.iter().map(|(_, length)| length).sum::<u64>();
        member.records.add(b"GNU.sparse.major", b"1");
        member.records.add(b"GNU.sparse.minor", b"0");
        member.records.add(b"GNU.sparse.name", &path);
        member.records.number("GNU.sparse.realsize", size);
        let stored = member.stored;
        // Who does not know the format unpacks a file that does not look like the real one.
        let elsewhere = [b"./GNUSparseFile.0/", path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()].concat();
        self.header(&elsewhere, &elsewhere, member)?;
        self.write(&map)?;
        for (offset, length) in pieces {
            self.content(file, offset, length)?;
        }
        self.fill(stored)
    }

    fn header(&mut self, path: &[u8], full: &[u8], member: Member<'_>) -> Result<()> {
        let Member { kind, attributes, link, device, stored, mut records } = member;
        records.text("path", full);
        records.text("linkpath", link);
        if stored > MAX_NUMBER {
            records.number("size", stored);
        }
        for (key, id) in [("uid", attributes.owner.uid), ("gid", attributes.owner.gid)] {
            if id > MAX_ID {
                records.number(key, id.into());
            }
        }
        records.time(attributes.times.last_modification);
        // The other names of a file have what the first has.
        for (name, value) in attributes.xattrs.iter().filter(|_| kind != EntryType::Link) {
            if name.to_bytes().contains(&b'=') {
                return Err(Error::failed("an archive cannot have an attribute whose name has a \"=\" in it"));
            }
            records.add(&[b"SCHILY.xattr.", name.to_bytes()].concat(), value);
        }
        let extended_header = records.content();
        if !extended_header.is_empty() {
            let mut extended = Header::new_ustar();
            set_name(&mut extended, b"./PaxHeaders/", path);
            extended.set_entry_type(EntryType::XHeader);
            extended.set_mode(0o644);
            self.finish(extended, extended_header.len() as u64)?;
            self.write(extended_header)?;
            self.fill(extended_header.len() as u64)?;
        }
        let mut header = Header::new_ustar();
        set_name(&mut header, b"", path);
        header.set_entry_type(kind);
        header.set_mode(attributes.mode);
        header.set_uid(attributes.owner.uid.min(MAX_ID).into());
        header.set_gid(attributes.owner.gid.min(MAX_ID).into());
        header.set_mtime(u64::try_from(attributes.times.last_modification.tv_sec).unwrap_or(0).min(MAX_NUMBER));
        if let Some(ustar) = header.as_ustar_mut() {
            let length = link.len().min(ustar.linkname.len());
            ustar.linkname[..length].copy_from_slice(&link[..length]);
        }
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(major(device)).and_then(|()| header.set_device_minor(minor(device)))?;
        }
        self.finish(header, stored)
    }

    fn finish(&mut self, mut header: Header, size: u64) -> Result<()> {
        header.set_size(size.min(MAX_NUMBER));
        header.set_cksum();
        self.write(header.as_bytes())
    }

    fn content(&mut self, file: BorrowedFd<'_>, mut at: u64, length: u64) -> Result<()> {
        let end = at + length;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER);
            let read = match pread(file, &mut self.buffer[..wanted], at) {
                Ok(0) => return Err(Error::failed("changed while it was read")),
                Err(Errno::INTR) => continue,
                other => other?,
            };
            self.out.write_all(&self.buffer[..read])?;
            (self.progress)(read as u64);
            at += read as u64;
        }
        Ok(())
    }

    /// Up to the next block.
    fn fill(&mut self, size: u64) -> Result<()> {
        let missing = usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or_default();
        self.write(&[0; BLOCK as usize][..missing])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.out.write_all(bytes)?)
    }
}

/// As much of a name as the header has room for; all of it is in the extended one then.
fn set_name(header: &mut Header, before: &[u8], path: &[u8]) {
    if let Some(ustar) = header.as_ustar_mut() {
        let name =
            [before, path.strip_prefix(b"./".as_slice()).filter(|_| !before.is_empty()).unwrap_or(path)].concat();
        let length = name.len().min(ustar.name.len());
        ustar.name[..length].copy_from_slice(&name[..length]);
    }
}

/// Where the data of a file with holes lies, each with its length; none of a file without, or with too many.
fn pieces(file: BorrowedFd<'_>, size: u64) -> Result<Option<Vec<(u64, u64)>>> {
    const MAX_PIECES: usize = 1 << 16;
    let (mut pieces, mut at) = (Vec::new(), 0);
    while at < size {
        let data = match seek(file, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => break,
            // A file system that knows no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
            other => other?,
        };
        let hole = seek(file, SeekFrom::Hole(data))?.min(size);
        pieces.push((data, hole - data));
        at = hole;
        if pieces.len() > MAX_PIECES {
            return Ok(None);
        }
    }
    if pieces.iter().map(|(_, length)| length).sum::<u64>() == size {
        return Ok(None);
    }
    if at < size || pieces.last().is_none_or(|(offset, length)| offset + length < size) {
        // As GNU tar does it: where the file ends.
        pieces.push((size, 0));
    }
    Ok(Some(pieces))
}
