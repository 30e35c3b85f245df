//! Where roots come from: the store of images, the private copy that a container runs on, and its records.
//!
//! [`import`](import::import) brings an image into the [`store`], from an [`archive`], a [`raw`] file, an [`oci`] layout or
//! from a [`remote`] server; [`disk`] makes the container's own copy of it by way of [`copy`], and [`disk::ids`] gives that
//! copy its range of ids. Everything appears whole or not at all ([`staging`]), and every file of a [`tree`] is reached
//! through a directory's descriptor, as the trees are hostile input.

pub mod archive;
pub mod bundle;
pub mod copy;
pub mod disk;
pub mod export;
pub mod import;
pub mod lock;
pub mod oci;
pub mod raw;
pub mod record;
pub mod remote;
pub mod staging;
pub mod store;
pub mod tag;
pub mod tree;

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
