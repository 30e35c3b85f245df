//! What vouches for an image of a registry, where a rule of the host wants somebody to.

use std::path::Path;

use super::client::Response;
use super::cosign::{self, MAX_PAYLOAD};
use super::registry::Repository;
use super::retry::{Failure, retried};
use super::sigstore::{self, MAX_BUNDLE};
use crate::error::{Context, Error, Exit, Result};
use crate::image::oci::digest::Digest;
use crate::image::oci::document::{MAX_DOCUMENT, accepted};

/// One of the signatures beside an image has to be by this key: of those under its tag, or of the bundles that refer to it.
pub fn check(repository: &Repository, key: &Path, image: &Digest) -> Result<()> {
    let mut refused = Error::failed(format!("there is no signature of {image}"));
    for way in [by_tag, by_bundle] {
        if way(repository, key, image, &mut refused)? {
            return Ok(());
        }
    }
    Err(refused)
}

/// Whether one of these is right; what is wrong with the last of them otherwise.
fn by_tag(repository: &Repository, key: &Path, image: &Digest, refused: &mut Error) -> Result<bool> {
    let tag = cosign::tag(image);
    let Some(manifest) = found(repository.manifest(&tag))? else { return Ok(false) };
    for signed in cosign::signatures(&manifest.2).with_context(|| tag.clone())? {
        let checked = blob(repository, &signed.payload, MAX_PAYLOAD)
            .and_then(|payload| cosign::check(key, &payload, &signed.signature, image));
        match checked {
            Ok(()) => return Ok(true),
            Err(error) => *refused = error,
        }
    }
    Ok(false)
}

fn by_bundle(repository: &Repository, key: &Path, image: &Digest, refused: &mut Error) -> Result<bool> {
    let Some(list) = referrers(repository, image)? else { return Ok(false) };
    for manifest in sigstore::manifests(&list).context("what refers to it")? {
        match one_bundle(repository, key, &manifest, image) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => *refused = error,
        }
    }
    Ok(false)
}

/// Where a registry has no answer of its own, whoever signs keeps the list under a tag.
fn referrers(repository: &Repository, image: &Digest) -> Result<Option<Vec<u8>>> {
    let accept = accepted();
    let ask = || -> Result<Vec<u8>, Failure> {
        let answer: Response = repository.get(&format!("referrers/{image}"), &[("accept", accept.as_str())])?;
        answer.document(MAX_DOCUMENT)
    };
    match found(retried(repository.patience().pause, ask))? {
        Some(list) => Ok(Some(list)),
        None => Ok(found(repository.manifest(&sigstore::tag(image)))?.map(|list| list.2)),
    }
}

fn one_bundle(repository: &Repository, key: &Path, manifest: &Digest, image: &Digest) -> Result<bool> {
    let (_, _, bytes) = repository.manifest(&manifest.to_string())?;
    let Some(bundle) = sigstore::bundle(&bytes).with_context(|| manifest.to_string())? else { return Ok(false) };
    let signed = sigstore::signed(&blob(repository, &bundle, MAX_BUNDLE)?)?;
    sigstore::check(key, &signed, image).map(|()| true)
}

fn blob(repository: &Repository, digest: &Digest, most: u64) -> Result<Vec<u8>> {
    let bytes = retried(repository.patience().pause, || repository.blob(digest, 0)?.document(most))?;
    match Digest::of(&bytes) {
        found if found == *digest => Ok(bytes),
        other => Err(Error::failed(format!("what came for {digest} has the digest {other}"))),
    }
}

fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.exit() == Exit::NotFound => Ok(None),
        other => other.map(Some),
    }
}
