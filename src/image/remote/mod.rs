//! Images from elsewhere: OCI registries, and files of any HTTPS server.
//!
//! [`source`] is what the user wrote. [`registry`] finds an image behind it and [`download`] brings its layers, which
//! [`oci`](super::oci) then unpacks; [`server`] brings one file, and by [`sums`] and [`signature`] what vouches for it.
//! [`vouch`] is for registries what the latter is for servers, with signatures as [`cosign`] or [`sigstore`] keep them. Below all of them is [`client`]: TLS by the host's certificates ([`trust`]), who we are ([`credentials`],
//! [`helper`], [`identity`]) told to nobody else, and an end to everything, in bytes and in time.

pub mod base64;
pub mod bring;
pub mod challenge;
pub mod client;
pub mod cosign;
pub mod credentials;
pub mod download;
pub mod helper;
pub mod identity;
pub mod reference;
pub mod registry;
pub mod retry;
pub mod server;
pub mod signature;
pub mod source;
pub mod sigstore;
pub mod sums;
pub mod trust;
pub mod url;
pub mod vouch;
