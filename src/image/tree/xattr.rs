//! Extended attributes: copied with everything in them, ACLs and file capabilities included, and their ids shifted.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr, lgetxattr, llistxattr, lsetxattr};
use rustix::io::{Errno, Result};

/// XATTR_LIST_MAX and XATTR_SIZE_MAX, linux/limits.h: no file has more.
const MAX: usize = 65536;

/// Name and value of one attribute.
pub type Xattr = (CString, Vec<u8>);

/// A file that is open, or one that can't be: a symbolic link, a device, a socket or a FIFO.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// A name in an open directory, not followed.
    Name(BorrowedFd<'a>, &'a CStr),
}

impl Target<'_> {
    /// There is no fsetxattr for what can't be opened (setxattrat needs Linux 6.13), but the directory has a path in /proc.
    fn path(dir: BorrowedFd<'_>, name: &CStr) -> Result<CString> {
        let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
        path.extend_from_slice(name.to_bytes());
        CString::new(path).map_err(|_| Errno::INVAL)
    }

    /// All attributes, in the order of their names. `buffer` saves an allocation a file, as hardly any has one.
    pub fn read(self, buffer: &mut Vec<u8>) -> Result<Vec<Xattr>> {
        buffer.resize(MAX, 0);
        let path = match self {
            Self::Open(_) => None,
            Self::Name(dir, name) => Some(Self::path(dir, name)?),
        };
        let listed = match (self, &path) {
            (Self::Open(file), _) => flistxattr(file, &mut buffer[..]),
            (Self::Name(..), path) => llistxattr(path.as_deref().unwrap_or_default(), &mut buffer[..]),
        };
        let length = match listed {
            Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            other => other?,
        };
        let mut names: Vec<CString> = buffer[..length]
            .split_inclusive(|&b| b == 0)
            .filter_map(|n| CStr::from_bytes_with_nul(n).ok())
            // XFS lists each ACL a second time, in its own format: written back, it would undo a shift.
            .filter(|name| !name.to_bytes().starts_with(b"trusted.SGI_ACL_"))
            .map(CStr::to_owned)
            .collect();
        names.sort_unstable();
        let mut xattrs = Vec::with_capacity(names.len());
        for name in names {
            let length = match (self, &path) {
                (Self::Open(file), _) => fgetxattr(file, &*name, &mut buffer[..])?,
                (Self::Name(..), path) => lgetxattr(path.as_deref().unwrap_or_default(), &*name, &mut buffer[..])?,
            };
            xattrs.push((name, buffer[..length].to_vec()));
        }
        Ok(xattrs)
    }

    /// Sets one attribute.
    pub fn set(self, name: &CStr, value: &[u8]) -> Result<()> {
        let set = match self {
            Self::Open(file) => fsetxattr(file, name, value, XattrFlags::empty()),
            Self::Name(dir, file) => lsetxattr(&*Self::path(dir, file)?, name, value, XattrFlags::empty()),
        };
        match set {
            // A label belongs to the host's policy, and a btrfs property means nothing elsewhere.
            Err(Errno::OPNOTSUPP | Errno::INVAL) if belongs_to_host(name) => Ok(()),
            other => other,
        }
    }
}

fn belongs_to_host(name: &CStr) -> bool {
    let name = name.to_bytes();
    name == b"security.selinux" || name.starts_with(b"btrfs.")
}

/// Where a tree's ids go, when they are others in its copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// To the container's own, which begin here.
    To(u32),
    /// Back from them.
    From(u32),
}

impl Shift {
    /// An id in the copy. What lies outside the container's 65536 is nobody's, as under an idmapped mount.
    pub fn id(self, id: u32) -> u32 {
        const NOBODY: u32 = 65534;
        let inside = |id: u32| if id < 65536 { id } else { NOBODY };
        match self {
            Self::To(first) => first + inside(id),
            Self::From(first) => inside(id.wrapping_sub(first)),
        }
    }
}

/// The same attribute for a tree of other ids.
pub fn shifted(name: &CStr, value: &[u8], shift: Shift) -> Result<Vec<u8>> {
    match name.to_bytes() {
        b"system.posix_acl_access" | b"system.posix_acl_default" => shifted_acl(value, shift),
        b"security.capability" => shifted_capability(value, shift),
        _ => Ok(value.to_vec()),
    }
}

/// `struct posix_acl_xattr_header` and its entries of tag, permissions and id (linux/posix_acl_xattr.h), little-endian.
fn shifted_acl(value: &[u8], shift: Shift) -> Result<Vec<u8>> {
    const VERSION: [u8; 4] = 2u32.to_le_bytes();
    const USER: u16 = 0x02;
    const GROUP: u16 = 0x08;
    let (header, entries) = value.split_at_checked(4).ok_or(Errno::INVAL)?;
    if header != VERSION || entries.len() % 8 != 0 {
        return Err(Errno::INVAL);
    }
    let mut acl = value.to_vec();
    for entry in acl[4..].chunks_exact_mut(8) {
        if matches!(u16::from_le_bytes([entry[0], entry[1]]), USER | GROUP) {
            let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
            entry[4..].copy_from_slice(&shift.id(id).to_le_bytes());
        }
    }
    Ok(acl)
}

/// `struct vfs_ns_cap_data` (linux/capability.h): revision 3 names the root user for whom the capabilities count. On the
/// way back it is revision 2 again, where that root is the tree's own.
fn shifted_capability(value: &[u8], shift: Shift) -> Result<Vec<u8>> {
    const EFFECTIVE: u32 = 1;
    const REVISION_2: u32 = 0x0200_0000;
    const REVISION_3: u32 = 0x0300_0000;
    let magic = u32::from_le_bytes(*value.first_chunk().ok_or(Errno::INVAL)?);
    let (sets, root) = match (magic & 0xff00_0000, value.len()) {
        (0x0100_0000, 12) => ([&value[4..12], &[0; 8]].concat(), None),
        (REVISION_2, 20) => (value[4..20].to_vec(), None),
        (REVISION_3, 24) => (value[4..20].to_vec(), value[20..].first_chunk().copied().map(u32::from_le_bytes)),
        _ => return Err(Errno::INVAL),
    };
    let flags = magic & EFFECTIVE;
    let root = match shift {
        Shift::To(_) => Some(shift.id(root.unwrap_or(0))),
        Shift::From(_) => root.map(|root| shift.id(root)).filter(|root| *root != 0),
    };
    Ok(match root {
        Some(root) => [&(REVISION_3 | flags).to_le_bytes()[..], &sets, &root.to_le_bytes()].concat(),
        None => [&(REVISION_2 | flags).to_le_bytes()[..], &sets].concat(),
    })
}

#[cfg(test)]
mod tests {
    use crate::image::tree::xattr::*;

    const TO: Shift = Shift::To(524_288);
    const FROM: Shift = Shift::From(524_288);

    #[test]
    fn acl_users_and_groups_are_shifted_the_rest_is_kept() {
        let entry = |tag: u16, id: u32| [&tag.to_le_bytes()[..], &7u16.to_le_bytes(), &id.to_le_bytes()].concat();
        let acl = |user, group| {
            [2u32.to_le_bytes().to_vec(), entry(1, !0), entry(2, user), entry(8, group), entry(16, !0)].concat()
        };
        assert_eq!(shifted_acl(&acl(33, 65535), TO), Ok(acl(524_321, 589_823)));
        assert_eq!(shifted_acl(&acl(0, 65536), TO), Ok(acl(524_288, 589_822)), "outside the range is nobody");
        assert_eq!(shifted_acl(&acl(524_321, 589_823), FROM), Ok(acl(33, 65535)));
        assert_eq!(shifted_acl(&acl(33, 589_824), FROM), Ok(acl(65534, 65534)), "the host's ids are nobody's");
        assert_eq!(shifted_acl(b"\x02\0\0\0abc", TO), Err(Errno::INVAL));
        assert_eq!(shifted_acl(b"\x02", TO), Err(Errno::INVAL));
    }

    #[test]
    fn capabilities_become_revision_3() {
        let sets = [9u8; 16];
        let v2 = [&0x0200_0001u32.to_le_bytes()[..], &sets].concat();
        let v3 = |root: u32| [&0x0300_0001u32.to_le_bytes()[..], &sets, &root.to_le_bytes()].concat();
        assert_eq!(shifted_capability(&v2, TO), Ok(v3(524_288)));
        assert_eq!(shifted_capability(&v3(1000), TO), Ok(v3(525_288)));
        for (back, shifted) in [(&v2, v3(524_288)), (&v3(1000), v3(525_288)), (&v2, v2.clone()), (&v3(65534), v3(7))] {
            assert_eq!(shifted_capability(&shifted, FROM).as_ref(), Ok(back));
        }
        assert_eq!(shifted_capability(&v2[..19], TO), Err(Errno::INVAL));
        assert_eq!(shifted_capability(b"", TO), Err(Errno::INVAL));
    }
}
