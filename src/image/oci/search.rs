//! Which image of a source it is.

use std::collections::BTreeSet;

use super::blobs::{Blobs, named_digest};
use super::config::Config;
use super::digest::Digest;
use super::document::{Descriptor, Document, MAX_LAYERS, Saved, json};
use super::platform::{architecture, suited};
use crate::definition::types::escaped;
use crate::error::{Context, Error, Result};
use crate::image::store::Declared;
use crate::image::tree::access::shown;

/// Indexes in indexes; real ones have one in another.
const MAX_DEPTH: usize = 4;
/// Documents that are read on the way to an image.
const MAX_READ: usize = 64;

/// An image that was chosen.
pub struct Found {
    /// The digest of its manifest, or of its configuration where it has no manifest.
    pub manifest: Digest,
    /// What it declares.
    pub declared: Declared,
    /// The lowest first.
    pub(super) layers: Vec<Layer>,
}

/// A layer, by what it is held against.
pub(super) enum Layer {
    /// A blob as it is stored.
    Blob(Descriptor),
    /// A member of the archive, as it is unpacked.
    Saved(String, Digest),
}

impl Found {
    /// The blobs that it is unpacked from.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Blob(descriptor) => Some(descriptor),
            Layer::Saved(..) => None,
        })
    }
}

/// The image for this machine; `tag` chooses where there are several.
pub fn find(blobs: &Blobs, tag: Option<&str>) -> Result<Found> {
    if blobs.file("oci-layout")?.is_none() {
        return saved(blobs, tag);
    }
    let layout: Layout = json(&blobs.named("oci-layout")?.unwrap_or_default()).context("oci-layout")?;
    if layout.image_layout_version != "1.0.0" {
        let version = escaped(&layout.image_layout_version);
        return Err(Error::failed(format!("version {version} of OCI layouts is not known")));
    }
    let index = blobs.named("index.json")?.ok_or_else(|| Error::failed("index.json is missing"))?;
    let Document::Index(entries) = Document::parse(&index, None).context("index.json")? else {
        return Err(Error::failed("index.json is not an index"));
    };
    find_in(blobs, tagged(entries, tag)?)
}

/// The image for this machine behind these entries.
pub fn find_in(blobs: &Blobs, entries: Vec<Descriptor>) -> Result<Found> {
    let mut search = Search { blobs, read: 0, refused: None };
    match search.images(entries, 1)? {
        Some(found) => Ok(found),
        None => Err(search.refused.unwrap_or_else(|| {
            Error::failed(format!("it has no image for this machine, which is linux/{}", architecture()))
        })),
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

/// The entries of a layout's index that a tag leaves; without one there must be no choice to make.
fn tagged(mut entries: Vec<Descriptor>, tag: Option<&str>) -> Result<Vec<Descriptor>> {
    let listed = entries.clone();
    let names = || listed.iter().flat_map(Descriptor::names);
    if let Some(tag) = tag {
        entries.retain(|entry| entry.names().any(|name| is_tagged(name, tag)));
        return if entries.is_empty() { Err(no_tag(tag, names())) } else { Ok(entries) };
    }
    let suited = suited(entries, architecture());
    let several = suited.iter().map(|entry| &entry.digest).collect::<BTreeSet<_>>().len() > 1;
    let named = suited.iter().flat_map(Descriptor::names).collect::<BTreeSet<_>>().len() > 1;
    if several && named { Err(choose(suited.iter().flat_map(Descriptor::names))) } else { Ok(suited) }
}

/// "docker.io/library/nginx:1.27" is found by all of it, by "nginx:1.27" and by "1.27".
fn is_tagged(name: &str, tag: &str) -> bool {
    name.strip_suffix(tag).is_some_and(|rest| rest.is_empty() || rest.ends_with([':', '/']))
}

fn no_tag<'a>(tag: &str, names: impl Iterator<Item = &'a str>) -> Error {
    Error::failed(format!("it has no image {}, but {}", escaped(tag), listed(names)))
}

fn choose<'a>(names: impl Iterator<Item = &'a str>) -> Error {
    Error::failed(format!("it has several images, choose one with --tag: {}", listed(names)))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.collect();
    let shown: Vec<String> = names.iter().take(20).map(|name| escaped(name)).collect();
    if shown.is_empty() { "none with a name".to_owned() } else { shown.join(", ") }
}

struct Search<'a> {
    blobs: &'a Blobs,
    read: usize,
    /// Why a manifest was not taken.
    refused: Option<Error>,
}

impl Search<'_> {
    /// The first image among them that runs here.
    fn images(&mut self, entries: Vec<Descriptor>, depth: usize) -> Result<Option<Found>> {
        for entry in suited(entries, architecture()) {
            self.read += 1;
            if depth > MAX_DEPTH {
                return Err(Error::failed(format!("its indexes are nested deeper than {MAX_DEPTH}")));
            }
            if self.read > MAX_READ {
                return Err(Error::failed(format!("its indexes have more than {MAX_READ} entries for this machine")));
            }
            let bytes = self.blobs.document(&entry)?;
            let document = Document::parse(&bytes, Some(&entry.media_type));
            let found = match document.with_context(|| entry.digest.clone())? {
                Document::Index(entries) => self.images(entries, depth + 1)?,
                Document::Manifest { config, layers } => self.image(entry.digest, &config, layers)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn image(&mut self, manifest: Digest, config: &Descriptor, layers: Vec<Descriptor>) -> Result<Option<Found>> {
        let action = || format!("configuration {}", config.digest);
        let config = Config::parse(&self.blobs.document(config)?).with_context(action)?;
        if let Err(error) = config.platform.check() {
            self.refused.get_or_insert(error);
            return Ok(None);
        }
        count(config.layers.len(), layers.len())?;
        let layers = layers.into_iter().map(Layer::Blob).collect();
        Ok(Some(Found { manifest, declared: config.declared, layers }))
    }
}

fn count(configured: usize, layers: usize) -> Result<()> {
    match configured == layers {
        true => Ok(()),
        false => Err(Error::failed(format!("it has {layers} layers, and its configuration {configured}"))),
    }
}

/// An archive of `docker save` before it had an OCI layout in it, and of `podman save`.
fn saved(blobs: &Blobs, tag: Option<&str>) -> Result<Found> {
    let list = blobs.named("manifest.json")?.ok_or_else(|| Error::failed("manifest.json is missing"))?;
    let mut images: Vec<Saved> = json(&list).context("manifest.json")?;
    let names: Vec<String> = images.iter().flat_map(|image| image.repo_tags.clone().unwrap_or_default()).collect();
    let names = names.iter().map(String::as_str);
    if let Some(tag) = tag {
        images.retain(|image| image.repo_tags.iter().flatten().any(|name| is_tagged(name, tag)));
        if images.is_empty() {
            return Err(no_tag(tag, names));
        }
    }
    let image = match images.len() {
        0 => return Err(Error::failed("it has no image")),
        1 => images.swap_remove(0),
        _ => return Err(choose(names)),
    };
    let missing = |path: &str| Error::failed(format!("{} is missing", shown(path.as_bytes())));
    let config = blobs.named(&image.config)?.ok_or_else(|| missing(&image.config))?;
    let id = Digest::of(&config);
    if let Some(named) = named_digest(&image.config).filter(|named| *named != id) {
        return Err(Error::failed(format!("its configuration {named} has the digest {id}")));
    }
    let config = Config::parse(&config).with_context(|| format!("configuration {id}"))?;
    config.platform.check()?;
    count(config.layers.len(), image.layers.len())?;
    if image.layers.len() > MAX_LAYERS {
        return Err(Error::failed(format!("it has {} layers, more than {MAX_LAYERS}", image.layers.len())));
    }
    let layers = image.layers.into_iter().zip(config.layers).map(|(path, digest)| Layer::Saved(path, digest));
    Ok(Found { manifest: id, declared: config.declared, layers: layers.collect() })
}
