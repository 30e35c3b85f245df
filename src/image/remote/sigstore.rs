//! Signatures of registry images as cosign keeps them since its version 3: a bundle of sigstore, as an artifact that refers
//! to the image.
//!
//! The bundle has a DSSE envelope, and that an in-toto statement, whose subject is the image. See cosign's
//! specs/BUNDLE_SPEC.md, sigstore's sigstore_bundle.proto, and secure-systems-lab/dsse.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::base64;
use super::cosign::{MAX_SIGNATURES, by_key};
use crate::definition::types::escaped;
use crate::error::{Error, Result};
use crate::image::oci::digest::Digest;
use crate::image::oci::document::json;

/// "application/vnd.dev.sigstore.bundle.v0.3+json", and with a parameter before that version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// What cosign 2.5 and some registries say of such an artifact instead.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const STATEMENT: &str = "https://in-toto.io/Statement/v";
const PAYLOAD: &str = "application/vnd.in-toto+json";
/// What a statement of this kind says: that somebody signed it.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";
/// One of a signature has a few KiB, with what a log says of it.
pub const MAX_BUNDLE: u64 = 256 << 10;

/// The tag of the list of what refers to an image, for registries without an answer of their own.
pub fn tag(image: &Digest) -> String {
    format!("sha256-{}", image.hex())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Referrer {
    digest: Digest,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Manifests that may have bundles of signatures, in a list of what refers to an image.
pub fn manifests(list: &[u8]) -> Result<Vec<Digest>> {
    #[derive(Deserialize)]
    struct List {
        manifests: Vec<Referrer>,
    }
    let may_be = |referrer: &Referrer| {
        let of_bundles = referrer.artifact_type.starts_with(BUNDLE) || matches!(&*referrer.artifact_type, "" | EMPTY);
        let signed = referrer.annotations.get(PREDICATE).is_none_or(|predicate| predicate == SIGNED);
        referrer.media_type == MANIFEST && of_bundles && signed
    };
    let List { manifests } = json(list)?;
    Ok(manifests.into_iter().filter(may_be).map(|referrer| referrer.digest).take(MAX_SIGNATURES).collect())
}

/// The bundle that such a manifest is of, unless it is of something else or too large to be a signature's.
pub fn bundle(manifest: &[u8]) -> Result<Option<Digest>> {
    #[derive(Deserialize)]
    struct Manifest {
        layers: Vec<Layer>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Layer {
        digest: Digest,
        media_type: String,
        size: u64,
    }
    let Manifest { layers } = json(manifest)?;
    let first = layers.into_iter().next().filter(|layer| layer.media_type.starts_with(BUNDLE));
    Ok(first.filter(|layer| layer.size <= MAX_BUNDLE).map(|layer| layer.digest))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: BTreeMap<String, String>,
}

/// What an envelope holds, and what of it was signed how.
#[derive(Debug)]
pub struct Signed {
    payload: Vec<u8>,
    /// The pre-authentication encoding of DSSE: what the signatures are of.
    message: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

/// Reads a bundle. Nothing that it says is believed yet.
pub fn signed(bundle: &[u8]) -> Result<Signed> {
    let Bundle { media_type, dsse_envelope } = json(bundle)?;
    if !media_type.starts_with(BUNDLE) {
        return Err(Error::failed(format!("it is not a bundle of sigstore but {}", escaped(&media_type))));
    }
    let Some(Envelope { payload, payload_type, signatures }) = dsse_envelope else {
        return Err(Error::failed("its bundle has no DSSE envelope"));
    };
    if payload_type != PAYLOAD {
        return Err(Error::failed(format!("its bundle is of {}", escaped(&payload_type))));
    }
    let payload = base64::decode(&payload)?;
    let mut message = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    message.extend(&payload);
    let signatures = signatures.iter().take(MAX_SIGNATURES).map(|signature| base64::decode(&signature.sig));
    Ok(Signed { payload, message, signatures: signatures.collect::<Result<_>>()? })
}

/// Is this signed by the key, and does it say that the image is?
pub fn check(key: &Path, signed: &Signed, image: &Digest) -> Result<()> {
    let mut refused = Error::failed("its bundle has no signature");
    for signature in &signed.signatures {
        match by_key(key, &signed.message, signature) {
            Ok(()) => return states(&signed.payload, image),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn states(payload: &[u8], image: &Digest) -> Result<()> {
    let Statement { kind, subject, predicate_type } = json(payload)?;
    if !kind.starts_with(STATEMENT) || predicate_type != SIGNED {
        return Err(Error::failed(format!("it is signed as {}", escaped(&predicate_type))));
    }
    match subject.iter().any(|subject| subject.digest.get("sha256").is_some_and(|hex| hex == image.hex())) {
        true => Ok(()),
        false => Err(Error::failed("the signature is of another image")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_dsse() {
        // "hello world" and its type, with another type: secure-systems-lab/dsse, protocol.md.
        let bundle = format!(
            r#"{{"mediaType":"{BUNDLE}.v0.3+json","dsseEnvelope":{{"payloadType":"{PAYLOAD}","payload":"aGVsbG8gd29ybGQ=","signatures":[{{"sig":"AAE="}}]}}}}"#
        );
        let Signed { message, signatures, .. } = signed(bundle.as_bytes()).unwrap();
        assert_eq!(message, b"DSSEv1 28 application/vnd.in-toto+json 11 hello world");
        assert_eq!(signatures, [[0, 1]]);
    }

    #[test]
    fn other_artifacts_are_passed_over() {
        let digest = Digest::of(b"x");
        let one = |artifact: &str, more: &str| {
            format!(r#"{{"mediaType":"{MANIFEST}","digest":"{digest}","size":1,"artifactType":"{artifact}"{more}}}"#)
        };
        let list = [
            one("application/vnd.dev.sigstore.bundle.v0.3+json", ""),
            one(EMPTY, ""),
            one("application/spdx+json", ""),
            one(EMPTY, &format!(r#","annotations":{{"{PREDICATE}":"https://slsa.dev/provenance/v1"}}"#)),
            one(EMPTY, &format!(r#","annotations":{{"{PREDICATE}":"{SIGNED}"}}"#)),
        ];
        let list = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, list.join(","));
        assert_eq!(manifests(list.as_bytes()).unwrap().len(), 3);
        let manifest = |kind: &str, size: u64| {
            let text = format!(r#"{{"layers":[{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}]}}"#);
            bundle(text.as_bytes()).unwrap()
        };
        assert_eq!(manifest("application/vnd.dev.sigstore.bundle.v0.3+json", 9), Some(digest.clone()));
        assert_eq!(manifest("application/vnd.dev.sigstore.bundle.v0.3+json", MAX_BUNDLE + 1), None);
        assert_eq!(manifest("application/spdx+json", 9), None);
    }
}
