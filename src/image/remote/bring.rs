//! Images from elsewhere into the store: made there as any other, once what came is what it should be.

use std::path::Path;

use super::client::{Client, Patience};
use super::cosign::{self, Rule};
use super::reference::Reference;
use super::registry::{self, Remote};
use super::server::{self, Offer};
use super::source::Source;
use crate::error::{Context, Error, Exit, Result};
use crate::image::copy::Progress;
use crate::image::import::{self, Filled, Options, flatten};
use crate::image::oci::digest::Digest;
use crate::image::staging::Staging;
use crate::image::store::{ImageInfo, Store, Verified};
use crate::layout::Layout;

/// On what terms something is fetched.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Without anything that vouches for it.
    pub insecure: bool,
    /// What it has to be.
    pub digest: Option<Digest>,
    /// The kernel may read a file system that somebody elsewhere made.
    pub trust_file_system: bool,
    /// Which names have to be signed, and by whom.
    pub rules: Vec<Rule>,
    /// How long its server may take.
    pub patience: Patience,
}

/// Imports what is elsewhere as the image `name`, whole or not at all.
pub fn import(
    layout: &Layout,
    name: &str,
    source: &Source,
    terms: &Terms,
    options: &Options<'_>,
    progress: &mut Progress<'_>,
) -> Result<ImageInfo> {
    let action = || format!("cannot import {source}");
    if let Source::Path(path) = source {
        return match terms.insecure || terms.digest.is_some() {
            false => import::import(layout, name, path, options, progress),
            true => Err(Error::new(Exit::Usage, "--insecure and --digest are for what comes from elsewhere")),
        };
    }
    import::refuse_taken(layout, name, options)?;
    let image = look(layout, source, terms).with_context(action)?;
    let origin = source.to_string();
    import::make(layout, name, &origin, options, |staging| image.fill(staging, options, progress).with_context(action))
}

/// Fetches an image again where its source has another one now; none where it has not.
pub fn pull(
    layout: &Layout,
    name: &str,
    source: &Source,
    terms: &Terms,
    options: &Options<'_>,
    progress: &mut Progress<'_>,
) -> Result<Option<ImageInfo>> {
    let action = || format!("cannot pull {source}");
    let image = look(layout, source, terms).with_context(action)?;
    let old = Store::new(layout)?.open(name);
    if old.is_ok_and(|old| image.is(&old.info)) {
        return Ok(None);
    }
    let options = Options { replace: true, ..options.clone() };
    let origin = source.to_string();
    let fill = |staging: &Staging| image.fill(staging, &options, progress).with_context(action);
    import::make(layout, name, &origin, &options, fill).map(Some)
}

/// An image that was found, of which nothing large is here.
enum Image {
    Registry(Box<Remote>, Verified),
    /// And whether it may be a file system.
    Server(Box<Offer>, bool),
}

/// Finds it, and refuses it where nothing vouches for it.
fn look(layout: &Layout, source: &Source, terms: &Terms) -> Result<Image> {
    let client = || Client::new(layout.root().to_owned(), terms.insecure, terms.patience);
    match source {
        Source::Registry(reference) => {
            let reference = pinned(reference, terms)?;
            let rule = cosign::rule(&terms.rules, &reference);
            let remote = registry::find(client(), &reference, rule)?;
            let verified = match (rule, &reference.digest) {
                (Some(_), _) => Verified::Signature,
                (None, None) if terms.insecure => Verified::No,
                _ => Verified::Digest,
            };
            Ok(Image::Registry(Box::new(remote), verified))
        }
        Source::Server(url) => {
            let offer = server::find(client(), url, terms.digest.as_ref())?;
            Ok(Image::Server(Box::new(offer), terms.trust_file_system))
        }
        Source::Path(path) => Err(not_elsewhere(path)),
    }
}

fn not_elsewhere(path: &Path) -> Error {
    Error::new(Exit::Usage, format!("{} is on this machine: soute image import", path.display()))
}

fn pinned(reference: &Reference, terms: &Terms) -> Result<Reference> {
    let digest = match (&reference.digest, &terms.digest) {
        (Some(one), Some(other)) if one != other => {
            return Err(Error::new(Exit::Usage, format!("it cannot be {one} and {other}")));
        }
        (one, other) => one.as_ref().or(other.as_ref()).cloned(),
    };
    Ok(Reference { digest, ..reference.clone() })
}

impl Image {
    /// Is it what is in the store already?
    fn is(&self, info: &ImageInfo) -> bool {
        match self {
            Self::Registry(remote, verified) => {
                let manifest = remote.found.manifest.to_string();
                info.manifest.as_ref() == Some(&manifest) && info.verified == Some(*verified)
            }
            Self::Server(offer, _) => {
                let expected = offer.expected.as_ref().map(ToString::to_string);
                expected.is_some() && info.pinned == expected && info.verified == Some(offer.verified)
            }
        }
    }

    fn fill(self, staging: &Staging, options: &Options<'_>, progress: &mut Progress<'_>) -> Result<Filled> {
        match self {
            Self::Registry(remote, verified) => {
                let pinned = remote.pinned.to_string();
                let (found, blobs) = remote.fetch(staging.dir(), progress)?;
                if options.tag.is_some() {
                    return Err(Error::new(Exit::Usage, "the tag of an image of a registry belongs into its name"));
                }
                let mut filled = flatten(&found, &blobs, staging, progress)?;
                filled.vouched = Some((pinned, verified));
                Ok(filled)
            }
            Self::Server(offer, trusted) => {
                let (file, digest) = offer.fetch(staging.dir(), progress)?;
                let mut filled = import::fill(&file, staging, options, progress)?;
                if filled.is_raw() && !trusted {
                    return Err(Error::failed(
                        "it is a file system, which the kernel would read as it is, faults and all \
                         (--trust-file-system takes it)",
                    ));
                }
                filled.vouched = Some((digest.to_string(), offer.verified));
                Ok(filled)
            }
        }
    }
}
