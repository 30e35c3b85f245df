//! Signatures as cosign writes them, made here by openssl.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::OnceLock;

use soute::image::remote::cosign::Rule;

use super::scripted::{Image, MANIFEST, Request, body, digest};
use super::tokens::asked_with;
use crate::lab::run;

/// A private key and its public one, in PEM.
fn keys() -> &'static (String, String) {
    static KEYS: OnceLock<(String, String)> = OnceLock::new();
    KEYS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key").to_str().unwrap().to_owned();
        run("openssl", &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key]);
        let public = run("openssl", &["pkey", "-in", &key, "-pubout"]);
        (fs::read_to_string(key).unwrap(), public)
    })
}

pub fn public_key() -> &'static str {
    &keys().1
}

/// What is beside an image under the tag of its signatures.
#[derive(Clone)]
struct Signature {
    manifest: Vec<u8>,
    payload: Vec<u8>,
}

impl Signature {
    fn new(of: &str, kind: &str) -> Self {
        let payload = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"x/app"}},"image":{{"docker-manifest-digest":"{of}"}},"type":"{kind}"}},"optional":null}}"#
        );
        let signature = sign(payload.as_bytes());
        Self::with(payload, &signature)
    }

    fn with(payload: String, signature: &str) -> Self {
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{}},"layers":[{{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":{},"digest":"{}","annotations":{{"dev.cosignproject.cosign/signature":"{signature}"}}}}]}}"#,
            payload.len(),
            digest(payload.as_bytes())
        );
        Self { manifest: manifest.into_bytes(), payload: payload.into_bytes() }
    }

    fn answer(&self, image: &Image, request: &Request, stream: &mut TcpStream) -> std::io::Result<()> {
        let tag = digest(&image.manifest).replace(':', "-") + ".sig";
        match request.path.rsplit('/').next().unwrap() {
            name if name == tag => body(stream, MANIFEST, &self.manifest),
            name if name == digest(&self.payload) => body(stream, "application/octet-stream", &self.payload),
            _ => image.answer(request, stream),
        }
    }
}

pub fn sign(payload: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(at("key"), &keys().0).unwrap();
    fs::write(at("payload"), payload).unwrap();
    run("openssl", &["dgst", "-sha256", "-sign", &at("key"), "-out", &at("signature"), &at("payload")]);
    run("openssl", &["base64", "-A", "-in", &at("signature")])
}

pub fn rule() -> Rule {
    Rule { prefix: "127.0.0.1:PORT".to_owned(), key: PathBuf::from("/etc/soute/keys/test.pub") }
}

#[test]
#[ignore = "rung 1: needs nginx and openssl"]
fn a_name_with_a_rule_has_to_be_signed() {
    const TYPE: &str = "cosign container image signature";
    let image = Image::new(1000);
    let of_image = digest(&image.manifest);
    let good = Signature::new(&of_image, TYPE);
    let other = digest(b"another");
    let changed = String::from_utf8(good.payload.clone()).unwrap().replace("x/app", "y/app");
    let cases = [
        (Some(good.clone()), ""),
        (None, "there is no signature of"),
        (Some(Signature::new(&other, TYPE)), "the signature is of sha256:"),
        (Some(Signature::new(&of_image, "receipt")), "it is signed as receipt"),
        (Some(Signature::with(changed, &sign(&good.payload))), "it is not signed by"),
        (Some(Signature::with("{}".to_owned(), "!")), "it is not base64"),
        (Some(Signature { payload: b"other".to_vec(), ..good }), "sha256:"),
    ];
    for (signature, says) in cases {
        let answer = move |image: &Image, request: &Request, stream: &mut TcpStream| match &signature {
            Some(signature) => signature.answer(image, request, stream),
            None => image.answer(request, stream),
        };
        let (imported, _) = asked_with(&image, &[rule()], answer);
        match says {
            "" => assert_eq!(imported, Ok(())),
            _ => assert!(imported.clone().unwrap_err().contains(says), "{imported:?} instead of {says}"),
        }
    }
    // A rule for others asks nothing of this one.
    let elsewhere = Rule { prefix: "registry.example".to_owned(), ..rule() };
    assert!(soute::image::remote::cosign::rule(&[elsewhere], &"127.0.0.1:1/app".parse().unwrap()).is_none());
}
