//! Signatures as cosign 3 writes them, made here by openssl after its specs/BUNDLE_SPEC.md and DSSE's protocol.

use std::net::TcpStream;

use super::scripted::{Image, MANIFEST, Request, body, digest};
use super::signed::{rule, sign};
use super::tokens::asked_with;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";
const STATEMENT: &str = "application/vnd.in-toto+json";

fn statement(of: &str, predicate: &str) -> String {
    let hex = of.strip_prefix("sha256:").unwrap();
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{hex}"}}}}],"predicateType":"{predicate}","predicate":{{}}}}"#
    )
}

/// DSSE's pre-authentication encoding.
fn encoding(payload: &str) -> Vec<u8> {
    format!("DSSEv1 {} {STATEMENT} {} {payload}", STATEMENT.len(), payload.len()).into_bytes()
}

fn bundle(payload: &str, signature: &str) -> Vec<u8> {
    let payload = soute::image::remote::base64::encode(payload.as_bytes());
    let envelope =
        format!(r#"{{"payload":"{payload}","payloadType":"{STATEMENT}","signatures":[{{"sig":"{signature}"}}]}}"#);
    let key = r#"{"publicKey":{"hint":"x"},"tlogEntries":[]}"#;
    format!(r#"{{"mediaType":"{BUNDLE}","verificationMaterial":{key},"dsseEnvelope":{envelope}}}"#).into_bytes()
}

/// A good one.
fn signed(of: &str) -> Vec<u8> {
    let statement = statement(of, SIGNED);
    bundle(&statement, &sign(&encoding(&statement)))
}

/// Bundles that refer to an image, and what the list of them says they are.
#[derive(Clone)]
struct Referrers {
    bundles: Vec<Vec<u8>>,
    artifact: &'static str,
    /// Has the registry an answer of its own, or is the list under a tag?
    answers: bool,
}

impl Referrers {
    fn new(bundles: &[Vec<u8>]) -> Self {
        Self { bundles: bundles.to_vec(), artifact: BUNDLE, answers: true }
    }

    fn manifest(bundle: &[u8]) -> Vec<u8> {
        let empty = digest(b"{}");
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","artifactType":"{BUNDLE}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{empty}","size":2}},"layers":[{{"mediaType":"{BUNDLE}","digest":"{}","size":{}}}]}}"#,
            digest(bundle),
            bundle.len()
        )
        .into_bytes()
    }

    fn list(&self) -> Vec<u8> {
        let entry = |bundle: &Vec<u8>| {
            let manifest = Self::manifest(bundle);
            let (digest, size) = (digest(&manifest), manifest.len());
            let artifact = self.artifact;
            format!(r#"{{"mediaType":"{MANIFEST}","digest":"{digest}","size":{size},"artifactType":"{artifact}"}}"#)
        };
        let entries = self.bundles.iter().map(entry).collect::<Vec<_>>().join(",");
        format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entries}]}}"#).into_bytes()
    }

    fn answer(&self, image: &Image, request: &Request, stream: &mut TcpStream) -> std::io::Result<()> {
        let of = digest(&image.manifest);
        let (place, name) = request.path.rsplit_once('/').unwrap();
        if place.ends_with("/referrers") && self.answers && name == of || name == of.replace(':', "-") && !self.answers
        {
            return body(stream, INDEX, &self.list());
        }
        for bundle in &self.bundles {
            let manifest = Self::manifest(bundle);
            if name == digest(&manifest) {
                return body(stream, MANIFEST, &manifest);
            }
            if name == digest(bundle) {
                return body(stream, "application/octet-stream", bundle);
            }
        }
        match place.ends_with("/referrers") {
            true => super::scripted::head(stream, "404 Not Found", &[("Content-Length", "0".to_owned())]),
            false => image.answer(request, stream),
        }
    }
}

fn imported(image: &Image, referrers: Referrers) -> Result<(), String> {
    let answer =
        move |image: &Image, request: &Request, stream: &mut TcpStream| referrers.answer(image, request, stream);
    asked_with(image, &[rule()], answer).0
}

#[test]
#[ignore = "rung 1: needs nginx and openssl"]
fn a_bundle_that_refers_to_an_image_signs_it() {
    let image = Image::new(1000);
    let of_image = digest(&image.manifest);
    let good = signed(&of_image);
    assert_eq!(imported(&image, Referrers::new(std::slice::from_ref(&good))), Ok(()));
    let by_tag = Referrers { answers: false, ..Referrers::new(std::slice::from_ref(&good)) };
    assert_eq!(imported(&image, by_tag.clone()), Ok(()));
    // As cosign 2.5 has it in the list; and one of several.
    let mistaken = Referrers { artifact: "application/vnd.oci.empty.v1+json", ..by_tag };
    assert_eq!(imported(&image, mistaken), Ok(()));
    let other = signed(&digest(b"another"));
    assert_eq!(imported(&image, Referrers::new(&[other, good])), Ok(()));
}

#[test]
#[ignore = "rung 1: needs nginx and openssl"]
fn a_bundle_of_something_else_signs_nothing() {
    let image = Image::new(1000);
    let of_image = digest(&image.manifest);
    let right = statement(&of_image, SIGNED);
    let provenance = statement(&of_image, "https://slsa.dev/provenance/v1");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let good = text(signed(&of_image));
    let typed = good.replace(STATEMENT, "application/json");
    let without = format!(r#"{{"mediaType":"{BUNDLE}","messageSignature":{{"signature":"AA=="}}}}"#);
    let cases = [
        (signed(&digest(b"another")), "the signature is of another image"),
        (bundle(&provenance, &sign(&encoding(&provenance))), "it is signed as https://slsa.dev/provenance/v1"),
        // The payload alone, without what DSSE puts in front of it.
        (bundle(&right, &sign(right.as_bytes())), "it is not signed by"),
        (bundle(&right, &sign(&encoding(&provenance))), "it is not signed by"),
        (bundle(&right, "!"), "it is not base64"),
        (typed.into_bytes(), "its bundle is of application/json"),
        (good.replace(BUNDLE, "text/plain").into_bytes(), "it is not a bundle of sigstore"),
        (without.into_bytes(), "its bundle has no DSSE envelope"),
    ];
    for (bundle, says) in cases {
        let refused = imported(&image, Referrers::new(&[bundle])).unwrap_err();
        assert!(refused.contains(says) && refused.contains("have to be signed"), "{refused} instead of {says}");
    }
    let none = imported(&image, Referrers::new(&[])).unwrap_err();
    assert!(none.contains(&format!("there is no signature of {of_image}")), "{none}");
}
