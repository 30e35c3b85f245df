//! Images from elsewhere: OCI registries.
//!
//! [`source`] is what the user wrote. [`registry`] finds an image behind it and [`download`] brings its layers, which
//! [`oci`](super::oci) then unpacks. Below it is [`client`]:
//! TLS by the host's certificates, no credentials to anybody else, and an end to everything, in bytes and in time.

pub mod bring;
pub mod challenge;
pub mod client;
pub mod credentials;
pub mod download;
pub mod reference;
pub mod registry;
pub mod retry;
pub mod source;
pub mod trust;
pub mod url;
