//! What is set when an image is all there: attributes of directories, as times would change and a default ACL be
//! inherited, and ACLs in text, as the image's names are known only then.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, OFlags, Timespec, Timestamps, fstat};

use crate::error::{Context, Error, Result};
use crate::image::archive::acl::{self, Accounts};
use crate::image::archive::path::{c_string, open_directory};
use crate::image::tree::access::{open_file, shown};
use crate::image::tree::attributes::{Attributes, Owner};
use crate::image::tree::xattr::Target;

/// What it may take of our memory.
const MAX_SIZE: usize = 64 << 20;

type Acls = Vec<(&'static CStr, Vec<u8>)>;

/// Attributes to come, by path.
pub struct Pending {
    /// Directories and what they will be; none for those that only have things in them.
    directories: BTreeMap<Vec<u8>, Option<Attributes>>,
    acls: BTreeMap<Vec<u8>, Acls>,
    size: usize,
}

impl Default for Pending {
    fn default() -> Self {
        Self { directories: BTreeMap::from([(Vec::new(), None)]), acls: BTreeMap::new(), size: 0 }
    }
}

impl Pending {
    /// There for what is in it, and not declared.
    pub fn is_implied(&self, path: &[u8]) -> bool {
        matches!(self.directories.get(path), Some(None))
    }

    /// Declared already.
    pub fn is_declared(&self, path: &[u8]) -> bool {
        matches!(self.directories.get(path), Some(Some(_)))
    }

    /// A directory and what it will be, whatever was said of it before.
    pub fn directory(&mut self, path: Vec<u8>, attributes: Option<Attributes>) -> Result<()> {
        self.forget_one(&path);
        self.count(directory_size(&path, attributes.as_ref()))?;
        self.directories.insert(path, attributes);
        Ok(())
    }

    /// The ACLs of a member.
    pub fn acls(&mut self, path: &[u8], acls: &Acls) -> Result<()> {
        if !acls.is_empty() {
            self.count(acls_size(path, acls))?;
            self.acls.entry(path.to_owned()).or_default().extend(acls.iter().cloned());
        }
        Ok(())
    }

    /// `path` is gone, with all that is in it.
    pub fn forget(&mut self, path: &[u8]) {
        self.forget_one(path);
        // What is below begins with "PATH/"; "0" is the byte after "/".
        let below = [path, b"/"].concat()..[path, b"0"].concat();
        let directories = self.directories.range(below.clone()).map(|(path, _)| path.clone());
        let acls = self.acls.range(below).map(|(path, _)| path.clone());
        for path in directories.chain(acls).collect::<Vec<_>>() {
            self.forget_one(&path);
        }
    }

    fn forget_one(&mut self, path: &[u8]) {
        if let Some(attributes) = self.directories.remove(path) {
            self.size = self.size.saturating_sub(directory_size(path, attributes.as_ref()));
        }
        if let Some(acls) = self.acls.remove(path) {
            self.size = self.size.saturating_sub(acls_size(path, &acls));
        }
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.size += bytes;
        if self.size > MAX_SIZE {
            return Err(Error::failed("the archive has too many directories or ACLs"));
        }
        Ok(())
    }

    /// Sets all of it.
    pub fn apply(mut self, root: BorrowedFd<'_>, born: Owner) -> Result<()> {
        const EPOCH: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.apply_acls(root)?;
        while let Some((path, attributes)) = self.directories.pop_last() {
            // What the archive does not say must not depend on when it is unpacked, or its digest would.
            let attributes = attributes.unwrap_or_else(|| Attributes {
                owner: born,
                mode: 0o755,
                times: Timestamps { last_access: EPOCH, last_modification: EPOCH },
                xattrs: Vec::new(),
            });
            let dir = open_directory(root, &path, OFlags::RDONLY);
            dir.and_then(|dir| attributes.apply(Target::Open(dir.as_fd()), false, born))
                .with_context(|| format!("entry {}", shown(&path)))?;
        }
        Ok(())
    }

    fn apply_acls(&mut self, root: BorrowedFd<'_>) -> Result<()> {
        if self.acls.is_empty() {
            return Ok(());
        }
        let accounts = Accounts::parse(&read_text(root, c"etc/passwd"), &read_text(root, c"etc/group"));
        for (path, acls) in std::mem::take(&mut self.acls) {
            for (name, text) in acls {
                let value = acl::from_text(&text, &accounts);
                value
                    .and_then(|value| self.set_acl(root, &path, name, value))
                    .with_context(|| format!("entry {}", shown(&path)))?;
            }
        }
        Ok(())
    }

    fn set_acl(&mut self, root: BorrowedFd<'_>, path: &[u8], name: &CStr, value: Vec<u8>) -> Result<()> {
        match self.directories.get_mut(path) {
            Some(attributes) => attributes.iter_mut().for_each(|a| a.xattrs.push((name.to_owned(), value.clone()))),
            None => Target::Open(open_file(root, &c_string(path)?)?.as_fd()).set(name, &value)?,
        }
        Ok(())
    }
}

fn directory_size(path: &[u8], attributes: Option<&Attributes>) -> usize {
    let xattrs = attributes.iter().flat_map(|attributes| &attributes.xattrs);
    path.len() + 128 + xattrs.map(|(name, value)| name.as_bytes().len() + value.len() + 64).sum::<usize>()
}

fn acls_size(path: &[u8], acls: &Acls) -> usize {
    acls.iter().map(|(_, text)| path.len() + text.len() + 64).sum()
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
