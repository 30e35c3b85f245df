//! ACLs as tar archives have them: text, made the bytes that the kernel keeps.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::image::archive::pax::number;

/// Tags and "no id", linux/posix_acl.h.
const USER_OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OWNER: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const NO_ID: u32 = u32::MAX;

/// The numbers of users and groups, as the image's /etc/passwd and /etc/group have them.
#[derive(Debug, Default)]
pub struct Accounts {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
}

impl Accounts {
    /// Reads passwd(5) and group(5); lines that make no sense name nobody.
    pub fn parse(passwd: &str, group: &str) -> Self {
        let read = |text: &str| -> HashMap<String, u32> {
            let line = |line: &str| {
                let mut fields = line.split(':');
                Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
            };
            text.lines().filter_map(line).collect()
        };
        Self { users: read(passwd), groups: read(group) }
    }
}

/// The value of system.posix_acl_access or _default for "user::rwx,user:lisa:r--:502,…" (SCHILY.acl.access of star and
/// GNU tar). Names are the image's, as GNU tar gives no numbers beside them.
pub fn from_text(text: &[u8], accounts: &Accounts) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(text).map_err(|_| Error::failed("its ACL is not text"))?;
    let mut entries = Vec::new();
    for entry in text.split([',', '\n']).map(|entry| entry.split('#').next().unwrap_or_default().trim()) {
        if !entry.is_empty() {
            entries.push(parse(entry, accounts)?);
        }
    }
    // The kernel wants them by tag and id.
    entries.sort_unstable();
    let mut acl = 2u32.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    Ok(acl)
}

fn parse(entry: &str, accounts: &Accounts) -> Result<(u16, u32, u16)> {
    let bad = || Error::failed(format!("its ACL entry {entry:?} makes no sense"));
    let fields: Vec<&str> = entry.split(':').map(str::trim).collect();
    let [kind, name, permissions, rest @ ..] = fields.as_slice() else { return Err(bad()) };
    let (tag, names) = match (*kind, name.is_empty()) {
        ("user" | "u", true) => (USER_OWNER, None),
        ("user" | "u", false) => (USER, Some(&accounts.users)),
        ("group" | "g", true) => (GROUP_OWNER, None),
        ("group" | "g", false) => (GROUP, Some(&accounts.groups)),
        ("mask" | "m", true) => (MASK, None),
        ("other" | "o", true) => (OTHER, None),
        _ => return Err(bad()),
    };
    let id = match (names, rest) {
        (None, []) => NO_ID,
        (Some(names), []) => id(name).or_else(|| names.get(*name).copied()).ok_or_else(|| {
            Error::failed(format!("its ACL entry {entry:?} names an account that the image does not have"))
        })?,
        (Some(_), [number]) => id(number).ok_or_else(bad)?,
        _ => return Err(bad()),
    };
    let bits = permissions.chars().try_fold(0, |bits, c| match c {
        'r' => Some(bits | 4),
        'w' => Some(bits | 2),
        'x' => Some(bits | 1),
        '-' => Some(bits),
        _ => None,
    });
    Ok((tag, id, bits.ok_or_else(bad)?))
}

fn id(text: &str) -> Option<u32> {
    number(text.as_bytes()).and_then(|id| id.try_into().ok())
}

#[cfg(test)]
mod tests {
    use crate::image::archive::acl::*;

    #[test]
    fn text_becomes_what_the_kernel_keeps() {
        let entry =
            |tag: u16, bits: u16, id: u32| [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat();
        let wanted = [
            2u32.to_le_bytes().to_vec(),
            entry(1, 7, !0),
            entry(2, 6, 33),
            entry(2, 4, 502),
            entry(4, 7, !0),
            entry(8, 5, 44),
            entry(16, 7, !0),
            entry(32, 0, !0),
        ]
        .concat();
        let text =
            b"user::rwx,user:lisa:r--:502,user:www-data:rw-,group::rwx\ngroup:44:r-x,mask::rwx #effective:rwx\nother::---\n";
        let accounts = Accounts::parse("root:x:0:0::/:\nwww-data:x:33:34::/:\nbad\n", "www-data:x:35:\n");
        assert_eq!(from_text(text, &accounts).unwrap(), wanted);
        let numbers = String::from_utf8_lossy(text).replace("www-data", "33");
        assert_eq!(from_text(numbers.as_bytes(), &Accounts::default()).unwrap(), wanted);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let from_text = |text: &str| crate::image::archive::acl::from_text(text.as_bytes(), &Accounts::default());
        assert!(from_text("user:lisa:rw-").unwrap_err().to_string().contains("that the image does not have"));
        for bad in [
            "user",
            "user::rwz",
            "mask:5:rwx",
            "someone::rwx",
            "user:1:rwx:2:3",
            "user:1:rwx:4294967296",
            "user::rwx:7",
        ] {
            assert!(from_text(bad).is_err(), "{bad}");
        }
    }
}
