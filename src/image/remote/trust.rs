//! Whom to believe: the certificate authorities of the host, and those that it has for one registry.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, PemItem, parse_pem};

use crate::error::{Context, Error, Result};
use crate::file;

/// Debian's has 220 KiB.
const LARGEST: u64 = 8 << 20;
/// Where distributions keep all of them in one file: Debian, Arch and Gentoo; Fedora and RHEL; openSUSE; Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// As for podman and docker: certs.d/HOST:PORT/*.crt, one directory a registry.
const OF_REGISTRIES: [&str; 2] = ["etc/containers/certs.d", "etc/docker/certs.d"];

/// The authorities for a server, below `root`. Those of its own are beside those of the host.
pub fn authorities(root: &Path, authority: &str) -> Result<Vec<Certificate<'static>>> {
    let mut all = Vec::new();
    if let Some(bundle) = bundle() {
        all.extend(certificates(&bundle)?);
    }
    for directory in directories(root, authority) {
        for path in files(&directory, "crt")? {
            all.extend(certificates(&path)?);
        }
    }
    Ok(all)
}

/// What the host has for one server.
pub fn directories(root: &Path, authority: &str) -> [PathBuf; 2] {
    OF_REGISTRIES.map(|directory| root.join(directory).join(authority))
}

/// SSL_CERT_FILE is OpenSSL's word for another one.
fn bundle() -> Option<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    named.or_else(|| BUNDLES.iter().map(PathBuf::from).find(|path| path.exists()))
}

/// The files of a directory whose names end so, none where there is no directory.
pub fn files(directory: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read {}", directory.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        if path.extension().is_some_and(|extension| extension == end) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let action = || format!("cannot read the certificates of {}", path.display());
    let text = file::read_of_host(path, LARGEST).with_context(action)?;
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(Error::failed(error))),
    };
    parse_pem(text.as_bytes()).filter_map(certificate).collect::<Result<_>>().with_context(action)
}
