//! Where an image is from, and what it has to be.

use std::fmt;

use super::scalar::{Refused, Scalar, scalar};
use crate::image::oci::digest::Digest;
use crate::image::remote::source::Source;

/// `docker://…` or `https://…`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSource(Source);

impl ImageSource {
    /// As the store takes it.
    pub fn source(&self) -> &Source {
        &self.0
    }

    /// The digest in it, which is all that this source can ever give.
    pub fn digest(&self) -> Option<&Digest> {
        match &self.0 {
            Source::Registry(reference) => reference.digest.as_ref(),
            Source::Path(_) | Source::Server(_) => None,
        }
    }
}

impl Scalar for ImageSource {
    const EXPECTED: &'static str = "a source such as \"docker://registry.example/nginx:1.27\"";

    fn text(text: &str) -> Result<Self, Refused> {
        Source::remote(text)
            .map(Self)
            .map_err(|why| Refused::new(why).help("docker://HOST/NAME:TAG or https://HOST/FILE"))
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

scalar!(ImageSource, { "type": "string", "pattern": "^(docker|https)://" });

/// `sha256:…`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDigest(Digest);

impl ImageDigest {
    /// As the store takes it.
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl Scalar for ImageDigest {
    const EXPECTED: &'static str = "a digest, \"sha256:\" and 64 digits";

    fn text(text: &str) -> Result<Self, Refused> {
        text.parse().map(Self).map_err(|why: String| Refused::new(why))
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

scalar!(ImageDigest, { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" });
