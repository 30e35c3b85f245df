//! What a file is besides its content: owner, mode, times and extended attributes, set in the one order that keeps all.

use std::os::fd::BorrowedFd;

use rustix::fs::{
    AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, chmodat, chownat, fchmod, fchown, fstat, futimens, utimensat,
};
use rustix::io::Result;

use crate::image::tree::xattr::{Shift, Target, Xattr, shifted};

/// Owner and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// The attributes of one file.
#[derive(Debug, Clone)]
pub struct Attributes {
    /// Owner and group.
    pub owner: Owner,
    /// Permissions with setuid, setgid and sticky; unused for symbolic links.
    pub mode: u32,
    /// Times of last access and change of content.
    pub times: Timestamps,
    /// Extended attributes.
    pub xattrs: Vec<Xattr>,
}

impl Attributes {
    /// Those of a file whose status has been read.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap, reason = "struct stat differs between architectures")]
    pub fn of(stat: &Stat, xattrs: Vec<Xattr>) -> Self {
        let time = |sec: i64, nsec: i64| Timespec { tv_sec: sec, tv_nsec: nsec };
        Self {
            owner: Owner { uid: stat.st_uid, gid: stat.st_gid },
            mode: stat.st_mode as u32 & 0o7777,
            times: Timestamps {
                last_access: time(stat.st_atime as i64, stat.st_atime_nsec as i64),
                last_modification: time(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            },
            xattrs,
        }
    }

    /// The same for a tree of other ids.
    pub fn shifted(mut self, shift: Shift) -> Result<Self> {
        self.owner = Owner { uid: shift.id(self.owner.uid), gid: shift.id(self.owner.gid) };
        for (name, value) in &mut self.xattrs {
            *value = shifted(name, value, shift)?;
        }
        Ok(self)
    }

    /// Sets all of it on a file whose content is complete. `born` is the owner that the file has by being made.
    ///
    /// chown clears setuid and security.capability, an ACL must find the mode that goes with it, and each of them would
    /// be a change after the time of last change: so owner, mode, attributes, times.
    pub fn apply(&self, target: Target<'_>, symlink: bool, born: Owner) -> Result<()> {
        if self.owner != born {
            self.chown(target)?;
        }
        if !symlink {
            self.chmod(target)?;
        }
        for (name, value) in &self.xattrs {
            target.set(name, value)?;
        }
        match target {
            Target::Open(file) => futimens(file, &self.times),
            Target::Name(dir, name) => utimensat(dir, name, &self.times, AtFlags::SYMLINK_NOFOLLOW),
        }
    }

    /// What a file of these is made with: what the owner gives power to comes when it has that owner.
    pub fn creation_mode(&self) -> Mode {
        Mode::from_raw_mode(self.mode & 0o777)
    }

    /// As [`apply`](Self::apply) for a regular file that was made with [`creation_mode`](Self::creation_mode) a moment ago:
    /// what the kernel says that it has already is not set again, as each change of an inode goes through the journal.
    pub fn complete(&self, file: BorrowedFd<'_>) -> Result<()> {
        let made = Self::of(&fstat(file)?, Vec::new());
        if self.owner != made.owner {
            self.chown(Target::Open(file))?;
        }
        if self.mode != made.mode {
            self.chmod(Target::Open(file))?;
        }
        for (name, value) in &self.xattrs {
            Target::Open(file).set(name, value)?;
        }
        futimens(file, &self.times)
    }

    fn chown(&self, target: Target<'_>) -> Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(self.owner.uid)), Some(Gid::from_raw(self.owner.gid)));
        match target {
            Target::Open(file) => fchown(file, uid, gid),
            Target::Name(dir, name) => chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
        }
    }

    fn chmod(&self, target: Target<'_>) -> Result<()> {
        let mode = Mode::from_raw_mode(self.mode);
        match target {
            Target::Open(file) => fchmod(file, mode),
            // Only for a device, socket or FIFO that we have just made: nothing that chmod would follow.
            Target::Name(dir, name) => chmodat(dir, name, mode, AtFlags::empty()),
        }
    }
}
