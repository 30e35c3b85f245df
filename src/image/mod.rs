//! Where roots come from: the store of images, the private copy that a container runs on, and its records.
//!
//! [`import`](import::import) brings an image into the [`store`], [`disk`] makes the container's own copy of it by way of
//! [`copy`], and [`ids`] gives that copy its range of ids. Everything appears whole or not at all ([`staging`]), and
//! every file is reached through a directory's descriptor, as the trees are hostile input.

pub mod addresses;
pub mod access;
pub mod acl;
pub mod ahead;
pub mod archive;
pub mod attributes;
pub mod btrfs;
pub mod bundle;
pub mod commit;
pub mod content;
pub mod copy;
pub mod decompress;
pub mod delete;
pub mod diff;
pub mod digest;
pub mod disk;
pub mod export;
pub mod extract;
pub mod gpt;
pub mod ids;
pub mod import;
pub mod layer;
pub mod lock;
pub mod loopdev;
pub mod member;
pub mod oci;
pub mod pack;
pub mod path;
pub mod pax;
pub mod pending;
pub mod receive;
pub mod raw_file;
pub mod record;
pub mod remote;
pub mod snapshot;
pub mod staging;
pub mod store;
pub mod superblock;
pub mod switch;
pub mod tag;
pub mod usage;
pub mod volume;
pub mod xattr;

use crate::error::{Error, Exit, Result};

/// A name that is safe as the last component of a path; what names may look like is the definition's business.
fn file_name(name: &str) -> Result<&str> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name {
        "" => Err(Error::new(Exit::Usage, "a name is empty")),
        _ if name.len() > 128 || name.starts_with('.') || !name.chars().all(safe) => {
            Err(Error::new(Exit::Usage, format!("{name:?} is not a name")))
        }
        _ => Ok(name),
    }
}
