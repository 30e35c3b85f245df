//! The digest of an image: SHA-256 over everything that a container could see of it, in an order of its own.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fmt::Write;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Stat, fstat, readlinkat, statat};
use rustix::io::{Errno, read};
use sha2::{Digest, Sha256};

use crate::error::{Context, Result};
use crate::image::tree::access::{self, list, open_dir, open_file};
use crate::image::tree::attributes::Attributes;
use crate::image::tree::xattr::Target;

/// A digest, and the bytes that it went over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digested {
    /// "sha256:" and 64 hexadecimal digits.
    pub digest: String,
    /// The sum of the sizes of all files.
    pub size: u64,
}

/// The digest of a tree: names, types, owners, modes, times of change, attributes, content, and which names share a file.
pub fn tree(root: BorrowedFd<'_>) -> Result<Digested> {
    let mut walk = Walk { hash: Hash::default(), links: HashMap::new(), path: Vec::new(), xattrs: Vec::new(), size: 0 };
    let result = walk.directory(root);
    result.with_context(|| format!("cannot read /{}", access::shown(&walk.path)))?;
    Ok(Digested { digest: walk.hash.finish(), size: walk.size })
}

/// The digest of a raw image: that of its bytes, as sha256sum(1) shows it.
pub fn file(file: BorrowedFd<'_>) -> Result<Digested> {
    let mut hash = Hash::default();
    let size = hash.content(file).context("cannot read the image")?;
    Ok(Digested { digest: hash.finish(), size })
}

#[derive(Default)]
struct Hash {
    sha: Sha256,
    buffer: Vec<u8>,
}

impl Hash {
    /// Each field with its length in front, so that no two trees give the same bytes.
    fn field(&mut self, bytes: &[u8]) {
        self.sha.update((bytes.len() as u64).to_le_bytes());
        self.sha.update(bytes);
    }

    fn content(&mut self, file: BorrowedFd<'_>) -> rustix::io::Result<u64> {
        self.buffer.resize(256 << 10, 0);
        let mut size = 0;
        loop {
            match read(file, &mut self.buffer[..]) {
                Ok(0) => return Ok(size),
                Ok(length) => {
                    self.sha.update(&self.buffer[..length]);
                    size += length as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn finish(self) -> String {
        self.sha.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

struct Walk {
    hash: Hash,
    /// The first name of a file with several.
    links: HashMap<(u64, u64), Vec<u8>>,
    path: Vec<u8>,
    xattrs: Vec<u8>,
    size: u64,
}

impl Walk {
    fn directory(&mut self, dir: BorrowedFd<'_>) -> Result<()> {
        self.attributes(&fstat(dir)?, Target::Open(dir))?;
        let mut entries = list(dir)?;
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            let length = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(entry.name.to_bytes());
            self.entry(dir, &entry.name)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.hash.field(&self.path);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return self.directory(open_dir(dir, name)?.as_fd()),
            _ if self.linked(&stat) => return Ok(()),
            FileType::RegularFile => {
                let file = open_file(dir, name)?;
                self.attributes(&stat, Target::Open(file.as_fd()))?;
                self.size += self.hash.content(file.as_fd())?;
                self.hash.field(&stat.st_size.to_le_bytes());
            }
            kind => {
                self.attributes(&stat, Target::Name(dir, name))?;
                if kind == FileType::Symlink {
                    self.hash.field(readlinkat(dir, name, Vec::new())?.as_bytes());
                }
            }
        }
        Ok(())
    }

    fn linked(&mut self, stat: &Stat) -> bool {
        if stat.st_nlink < 2 {
            return false;
        }
        #[allow(clippy::unnecessary_cast, reason = "another type on other architectures")]
        let first = self.links.entry((stat.st_dev as u64, stat.st_ino as u64)).or_insert_with(|| self.path.clone());
        let linked = *first != self.path;
        if linked {
            self.hash.field(b"=");
            self.hash.field(first);
        }
        linked
    }

    #[allow(clippy::unnecessary_cast, reason = "struct stat differs between architectures")]
    fn attributes(&mut self, stat: &Stat, target: Target<'_>) -> Result<()> {
        let attributes = Attributes::of(stat, target.read(&mut self.xattrs)?);
        let time = attributes.times.last_modification;
        let numbers = [
            u64::from(stat.st_mode),
            stat.st_uid.into(),
            stat.st_gid.into(),
            stat.st_rdev as u64,
            time.tv_sec.cast_unsigned(),
            time.tv_nsec as u64,
            attributes.xattrs.len() as u64,
        ];
        numbers.iter().for_each(|number| self.hash.sha.update(number.to_le_bytes()));
        for (name, value) in &attributes.xattrs {
            self.hash.field(name.to_bytes());
            self.hash.field(value);
        }
        Ok(())
    }
}
