//! Which entry of an index is for this machine.

use super::document::{Descriptor, Platform};
use crate::definition::types::escaped;
use crate::error::{Error, Result};

/// This machine's architecture, as Go calls it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        "mips64" if cfg!(target_endian = "little") => "mips64le",
        other => other,
    }
}

/// Variants that every machine of an architecture runs, best first.
fn variants(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "amd64" => &["", "v1"],
        "arm64" => &["", "v8"],
        "arm" => &["v7", "v6", "v5", ""],
        _ => &[""],
    }
}

impl Platform {
    /// What it leaves empty suits every machine.
    fn suits(&self, architecture: &str) -> bool {
        let suits = |own: &str, wanted: &str| own.is_empty() || own == wanted;
        suits(&self.os, "linux") && suits(&self.architecture, architecture)
    }

    /// How well it suits: the least is best, none is not at all.
    fn rank(&self, architecture: &str) -> Option<usize> {
        if !self.suits(architecture) {
            return None;
        }
        let variant = self.variant.as_deref().unwrap_or_default();
        variants(architecture).iter().position(|known| *known == variant)
    }

    /// Refused where it is not for this machine.
    pub fn check(&self) -> Result<()> {
        match self.suits(architecture()) {
            true => Ok(()),
            false => Err(Error::failed(format!("it is for {self}, and this is linux/{}", architecture()))),
        }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", escaped(&self.os), escaped(&self.architecture))?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{}", escaped(variant)))
    }
}

/// The entries that may be images for this architecture, best first; of equal ones the index's own order counts.
pub fn suited(entries: Vec<Descriptor>, architecture: &str) -> Vec<Descriptor> {
    let rank = |entry: &Descriptor| match &entry.platform {
        None => Some(0),
        Some(platform) => platform.rank(architecture),
    };
    let mut ranked: Vec<(usize, Descriptor)> =
        entries.into_iter().filter(Descriptor::is_image).filter_map(|entry| Some((rank(&entry)?, entry))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, entry)| entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::oci::digest::Digest;

    #[test]
    fn the_first_of_the_best_is_taken() {
        let entry = |platform: &str| {
            let mut parts = platform.split('/').map(str::to_owned);
            Descriptor {
                media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
                digest: Digest::of(platform.as_bytes()),
                size: 1,
                platform: parts.next().filter(|os| !os.is_empty()).map(|os| Platform {
                    os,
                    architecture: parts.next().unwrap(),
                    variant: parts.next(),
                }),
                annotations: Default::default(),
            }
        };
        let best = |entries: &[&str], architecture: &str| {
            let suited = suited(entries.iter().map(|text| entry(text)).collect(), architecture);
            suited.first().map(|first| first.digest.clone())
        };
        let is = |text: &str| Some(Digest::of(text.as_bytes()));
        assert_eq!(best(&["windows/amd64", "linux/arm64", "linux/amd64"], "amd64"), is("linux/amd64"));
        assert_eq!(best(&["linux/amd64/v3", "linux/amd64"], "amd64"), is("linux/amd64"));
        assert_eq!(best(&["linux/amd64/v3"], "amd64"), None);
        assert_eq!(best(&["linux/arm64/v8"], "arm64"), is("linux/arm64/v8"));
        assert_eq!(best(&["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"], "arm"), is("linux/arm/v7"));
        assert_eq!(best(&["unknown/unknown", ""], "amd64"), is(""));
        assert_eq!(best(&["unknown/unknown", "linux/s390x"], "amd64"), None);
        let mut artifact = entry("linux/amd64");
        artifact.media_type = "application/vnd.cyclonedx".to_owned();
        assert_eq!(suited(vec![artifact], "amd64"), []);
    }
}
