//! Images in layers: OCI layouts, and the archives of `docker save` and `podman save`. They are flattened on the way in.
//!
//! [`find`] chooses an image by documents that are small and checked before they are read; [`Found::unpack`] streams its
//! layers, each held against its digest, one over the other into one directory. Where blobs come from is [`blobs`]. The way out is [`layout`], with one layer.

pub mod blobs;
pub mod config;
pub mod describe;
pub mod digest;
pub mod document;
pub mod layout;
pub mod platform;
mod search;
pub mod unpack;

pub use search::{Found, find, find_in};
