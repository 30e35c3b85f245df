//! The documents of images: indexes, manifests, and the list that `docker save` writes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::digest::Digest;
use crate::definition::types::escaped;
use crate::error::{Error, Result};

/// No document is longer; registries refuse manifests that are.
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// Docker makes at most 127.
pub const MAX_LAYERS: usize = 500;

pub(super) const INDEX: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
pub(super) const MANIFEST: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
pub(super) const CONFIG: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
pub(super) const LAYER: [&str; 8] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

/// What a document says of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of blob it is.
    pub media_type: String,
    /// Its name and its content.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
    /// Of an entry of an index: where it runs.
    pub platform: Option<Platform>,
    /// Of an entry of an index: its names, among others.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// Where an image runs, in the words of Go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// "amd64"
    pub architecture: String,
    /// "linux"
    pub os: String,
    /// "v7", of arm; "v2" and up of amd64.
    pub variant: Option<String>,
}

/// One of the two documents that may be what a descriptor points to.
#[derive(Debug, PartialEq, Eq)]
pub enum Document {
    /// Several images, or one for several platforms.
    Index(Vec<Descriptor>),
    /// One image.
    Manifest {
        /// Its configuration.
        config: Descriptor,
        /// Its layers, the lowest first.
        layers: Vec<Descriptor>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u64>,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

/// The kinds of documents that we know what to do with, as a request says it.
pub fn accepted() -> String {
    [MANIFEST, INDEX].concat().join(", ")
}

/// Reads JSON; what is wrong with it may be shown.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::failed(escaped(&error.to_string())))
}

impl Document {
    /// Reads one. It has to be what its descriptor says: one text that is a manifest to one reader and an index to another
    /// is two images under one digest (CVE-2021-41190).
    pub fn parse(bytes: &[u8], media_type: Option<&str>) -> Result<Self> {
        let raw: Raw = json(bytes)?;
        if raw.manifests.is_some() && (raw.layers.is_some() || raw.config.is_some()) {
            return Err(Error::failed("it is a manifest and an index at once"));
        }
        if raw.schema_version != Some(2) {
            return Err(Error::failed("its schemaVersion is not 2"));
        }
        let (document, known) = match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), None, None) => (Self::Index(manifests), INDEX),
            (None, Some(config), Some(layers)) => (Self::Manifest { config, layers }, MANIFEST),
            _ => return Err(Error::failed("it is neither a manifest nor an index")),
        };
        for media_type in [media_type, raw.media_type.as_deref()].into_iter().flatten() {
            if !known.contains(&media_type) {
                return Err(Error::failed(format!("it is not the {} that it is said to be", escaped(media_type))));
            }
        }
        document.check()?;
        Ok(document)
    }

    fn check(&self) -> Result<()> {
        let Self::Manifest { config, layers } = self else { return Ok(()) };
        if layers.len() > MAX_LAYERS {
            return Err(Error::failed(format!("it has {} layers, more than {MAX_LAYERS}", layers.len())));
        }
        let wrong = layers.iter().find(|layer| !LAYER.contains(&layer.media_type.as_str()));
        let wrong = Some(config).filter(|config| !CONFIG.contains(&config.media_type.as_str())).or(wrong);
        match wrong {
            Some(Descriptor { media_type, .. }) => {
                Err(Error::failed(format!("it is not an image: it has a {}", escaped(media_type))))
            }
            None => Ok(()),
        }
    }
}

impl Descriptor {
    /// May it be an image?
    pub fn is_image(&self) -> bool {
        INDEX.contains(&self.media_type.as_str()) || MANIFEST.contains(&self.media_type.as_str())
    }

    /// The name that an entry of a layout's index has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        ["org.opencontainers.image.ref.name", "io.containerd.image.name"]
            .into_iter()
            .filter_map(|key| self.annotations.get(key))
            .map(String::as_str)
    }
}

/// An image in the manifest.json of `docker save`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Saved {
    /// The member with its configuration.
    pub config: String,
    /// Its names.
    pub repo_tags: Option<Vec<String>>,
    /// The members with its layers, the lowest first.
    pub layers: Vec<String>,
}

#[cfg(test)]
mod tests;
