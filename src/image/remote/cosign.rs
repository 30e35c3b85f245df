//! Signatures of registry images as cosign kept them before its version 3: beside the image, under a tag made of its digest.
//!
//! The tag's manifest has a layer for each signature; the layer is what was signed, JSON that names the digest, and the
//! signature is an annotation of it. See cosign's specs/SIGNATURE_SPEC.md.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::base64;
use super::reference::Reference;
use super::signature::Memory;
use crate::definition::types::escaped;
use crate::error::{Error, Result};
use crate::image::oci::digest::Digest;
use crate::image::oci::document::json;

/// The annotation of a layer that is the signature of it.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What a signature says that it is for.
const TYPE: &str = "cosign container image signature";
/// An image is signed by a few.
pub const MAX_SIGNATURES: usize = 32;
/// A payload has a few hundred bytes.
pub const MAX_PAYLOAD: u64 = 64 << 10;

/// Images whose names begin so have to be signed by this key: `[[verify]]` of soute.toml.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// A host, or a host and the first parts of a name.
    pub prefix: String,
    /// A public key in PEM.
    pub key: PathBuf,
}

impl Rule {
    /// Can it be of any image? One that is of none would let all of them through.
    pub fn is_possible(&self) -> bool {
        let prefix = self.prefix.trim_end_matches('/');
        let name = format!("{prefix}/x/x").parse::<Reference>();
        name.is_ok_and(|name| name.name() == format!("{prefix}/x/x")) && self.key.is_absolute()
    }
}

/// The rule for an image: of several the one with the longest prefix.
pub fn rule<'a>(rules: &'a [Rule], reference: &Reference) -> Option<&'a Rule> {
    let name = reference.name();
    let is_of = |rule: &&Rule| {
        let rest = name.strip_prefix(rule.prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    rules.iter().filter(is_of).max_by_key(|rule| rule.prefix.trim_end_matches('/').len())
}

/// The tag that the signatures of an image have.
pub fn tag(digest: &Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

/// A signature, and the blob that it is of.
#[derive(Debug, PartialEq, Eq)]
pub struct Signed {
    /// What was signed.
    pub payload: Digest,
    /// base64 of an ASN.1 signature.
    pub signature: String,
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    digest: Digest,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// The signatures in a manifest of them.
pub fn signatures(manifest: &[u8]) -> Result<Vec<Signed>> {
    let Manifest { layers } = json(manifest)?;
    let signed =
        |mut layer: Layer| Some(Signed { payload: layer.digest, signature: layer.annotations.remove(SIGNATURE)? });
    Ok(layers.into_iter().filter_map(signed).take(MAX_SIGNATURES).collect())
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: Digest,
}

/// Is this payload signed by the key, and is it of this image?
pub fn check(key: &Path, payload: &[u8], signature: &str, wanted: &Digest) -> Result<()> {
    by_key(key, payload, &base64::decode(signature)?)?;
    let Payload { critical } = json(payload)?;
    if critical.kind != TYPE {
        return Err(Error::failed(format!("it is signed as {}", escaped(&critical.kind))));
    }
    match critical.image.docker_manifest_digest == *wanted {
        true => Ok(()),
        false => Err(Error::failed(format!("the signature is of {}", critical.image.docker_manifest_digest))),
    }
}

/// By openssl(1), as gpgv checks the other kind: a tool that is on every host, and no cryptography of ours.
pub(super) fn by_key(key: &Path, payload: &[u8], signature: &[u8]) -> Result<()> {
    let (payload, signature) = (Memory::new(payload)?, Memory::new(signature)?);
    let mut command = Command::new("openssl");
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").args(["dgst", "-sha256", "-verify"]).arg(key);
    command.arg("-signature").arg(signature.path()).arg(payload.path());
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::failed("openssl, which checks signatures of images, is not installed"),
        _ => error.into(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    match std::fs::File::open(key) {
        Err(error) => Err(Error::failed(format!("cannot read key {}: {}", key.display(), Error::from(error)))),
        Ok(_) => Err(Error::failed(format!("it is not signed by {}", key.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        let rule_of = |prefix: &str| Rule { prefix: prefix.to_owned(), key: PathBuf::from(prefix) };
        let rules = ["a.b", "a.b/c/", "a.b/c/d", "docker.io/library"].map(rule_of);
        let found = |name: &str| rule(&rules, &name.parse().unwrap()).map(|rule| rule.prefix.as_str());
        assert_eq!(found("a.b/x"), Some("a.b"));
        assert_eq!(found("a.b/c:1"), Some("a.b/c/"));
        assert_eq!(found("a.b/cc"), Some("a.b"));
        assert_eq!(found("a.b/c/d/e"), Some("a.b/c/d"));
        assert_eq!((found("nginx"), found("x/y"), found("a.bc/x")), (Some("docker.io/library"), None, None));
    }

    #[test]
    fn signatures_are_annotations() {
        let digest = Digest::of(b"x");
        let json = format!(
            r#"{{"layers":[{{"digest":"{digest}"}},{{"digest":"{digest}","annotations":{{"{SIGNATURE}":"AA=="}}}}]}}"#
        );
        assert_eq!(signatures(json.as_bytes()).unwrap(), [Signed { payload: digest, signature: "AA==".to_owned() }]);
        assert!(signatures(b"{}").is_err() && signatures(br#"{"layers":[{"digest":"x"}]}"#).is_err());
    }
}
