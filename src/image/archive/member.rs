//! Members of a tar archive, and what their headers say of them.

use std::ffi::{CStr, CString};
use std::io;

use rustix::fs::{Timespec, Timestamps};
use tar::Header;

use crate::error::{Context, Error, Result};
use crate::image::archive::pax::Pax;
use crate::image::tree::attributes::{Attributes, Owner};

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of `size` bytes whose content is at these places, each with its length; the rest are holes.
    File {
        /// Its size with all holes.
        size: u64,
        /// Offset and length of each piece, in order.
        pieces: Vec<(u64, u64)>,
    },
    /// A further name of an earlier member.
    HardLink(Vec<u8>),
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A character device: major, minor.
    Character(u32, u32),
    /// A block device: major, minor.
    Block(u32, u32),
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
}

/// One member; its content is read from the archive.
#[derive(Debug)]
pub struct Member {
    /// Its path, as it is in the archive.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Owner, mode, times and extended attributes but ACLs.
    pub attributes: Attributes,
    /// ACLs as text, each with the extended attribute that it will be.
    pub acls: Vec<(&'static CStr, Vec<u8>)>,
}

/// Checks a map of holes: in order, within the size, and exactly as long as the content.
pub fn sparse(size: u64, pieces: Vec<(u64, u64)>, stored: u64) -> Result<Kind> {
    let (mut end, mut sum) = (0u64, 0u64);
    let fits = pieces.iter().all(|&(offset, length)| {
        let ordered = offset >= end;
        end = offset.saturating_add(length);
        sum = sum.saturating_add(length);
        ordered && end <= size
    });
    if fits && sum == stored && size <= i64::MAX.cast_unsigned() {
        Ok(Kind::File { size, pieces })
    } else {
        Err(Error::failed("its map of holes is damaged"))
    }
}

/// Owner, mode, times and attributes, the extended header over the plain one.
pub fn attributes(header: &Header, pax: &Pax) -> Result<Attributes> {
    let id = |key: &str, own: io::Result<u64>| -> Result<u32> {
        let id = pax.number(key)?.map_or(own, Ok).with_context(|| format!("its {key} is damaged"))?;
        // The last one means "leave it" to chown(2).
        u32::try_from(id)
            .ok()
            .filter(|&id| id != u32::MAX)
            .ok_or_else(|| Error::failed(format!("its {key} {id} is too large")))
    };
    let time = |seconds: u64| Timespec { tv_sec: seconds.cast_signed(), tv_nsec: 0 };
    let changed = pax.time("mtime")?.map_or_else(|| header.mtime().map(time), Ok).context("its time is damaged")?;
    let mut xattrs = Vec::new();
    for (name, value) in pax.with_prefix("SCHILY.xattr.") {
        let name = CString::new(name).map_err(|_| Error::failed("the name of an attribute is damaged"))?;
        xattrs.push((name, value.to_vec()));
    }
    Ok(Attributes {
        owner: Owner { uid: id("uid", header.uid())?, gid: id("gid", header.gid())? },
        mode: header.mode().context("its mode is damaged")? & 0o7777,
        times: Timestamps { last_access: pax.time("atime")?.unwrap_or(changed), last_modification: changed },
        xattrs,
    })
}
