//! A file of a server, and what vouches for it: SHA256SUMS beside it, signed.

use std::fs::File;
use std::io::Seek;
use std::os::fd::BorrowedFd;

use super::client::{Ask, Client, Response, shown};
use super::download::{self, Shared};
use super::retry::{Failure, retried};
use super::url::Url;
use super::{signature, sums};
use crate::error::{Context, Error, Exit, Result};
use crate::image::copy::Progress;
use crate::image::oci::digest::Digest;
use crate::image::store::Verified;

const SUMS: &str = "SHA256SUMS";
/// Detached signatures: of systemd and Ubuntu, of everybody, of Debian's images.
const SIGNATURES: [&str; 3] = ["SHA256SUMS.gpg", "SHA256SUMS.asc", "SHA256SUMS.sign"];
/// Sums of ten thousand files.
const MAX_SUMS: u64 = 4 << 20;
const MAX_SIGNATURE: u64 = 256 << 10;

/// A file that is known to be there.
pub struct Offer {
    /// What it has to be, unless nothing vouches for it.
    pub expected: Option<Digest>,
    /// What vouches for it.
    pub verified: Verified,
    client: Client,
    url: Url,
}

/// Finds out what the file has to be; refused where nobody says so.
pub fn find(client: Client, url: &Url, digest: Option<&Digest>) -> Result<Offer> {
    let (expected, verified) = match digest {
        Some(digest) => (Some(digest.clone()), Verified::Digest),
        None if client.is_insecure() => (None, Verified::No),
        None => (Some(signed(&client, url)?), Verified::Signature),
    };
    Ok(Offer { expected, verified, client, url: url.clone() })
}

fn signed(client: &Client, url: &Url) -> Result<Digest> {
    let missing = |what: &str| {
        let fix = "it can be told what the file has to be by --digest, and to take anything by --insecure";
        Error::failed(format!("nothing vouches for it, as {} has no {what} ({fix})", shown(&url.beside(""))))
    };
    let list = document(client, &url.beside(SUMS), MAX_SUMS)?.ok_or_else(|| missing(SUMS))?;
    let action = || shown(&url.beside(SUMS));
    let list = if signature::is_inline(&list) {
        signature::verified(client.root(), &list, None).with_context(action)?
    } else {
        let find = |name: &&str| document(client, &url.beside(name), MAX_SIGNATURE).transpose();
        let signature = SIGNATURES.iter().find_map(find).transpose()?.ok_or_else(|| missing(&SIGNATURES.join(", ")))?;
        signature::verified(client.root(), &list, Some(&signature)).with_context(action)?
    };
    let list = String::from_utf8(list).map_err(|_| Error::failed("it is not text")).with_context(action)?;
    sums::find(&list, url.file_name()).with_context(action)
}

/// A document, none where there is none.
fn document(client: &Client, url: &Url, most: u64) -> Result<Option<Vec<u8>>> {
    let got = retried(client.patience().pause, || client.get(url, Ask::default())?.success()?.document(most));
    match got {
        Err(error) if error.exit() == Exit::NotFound => Ok(None),
        other => other.map(Some),
    }
}

impl Offer {
    /// Brings it into a file below `dir`, with its digest.
    pub fn fetch(&self, dir: BorrowedFd<'_>, progress: &mut Progress<'_>) -> Result<(File, Digest)> {
        let size = retried(self.client.patience().pause, || self.size(self.open(0)?))?;
        download::refuse_without_room(dir, size)?;
        let mut file = download::nameless(dir)?;
        let (shared, patience) = (Shared::default(), self.client.patience());
        let result = std::sync::Mutex::new(None);
        let work = || {
            let open = |at| self.open(at);
            let digest = download::fetch(&open, file.try_clone()?, size, self.expected.as_ref(), patience, &shared)?;
            *result.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(digest);
            Ok(())
        };
        download::with_progress(1, &work, &shared, &mut |done| progress(done, Some(size)))?;
        file.rewind()?;
        let digest = result.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        digest.map(|digest| (file, digest)).ok_or_else(|| Error::failed("it did not come"))
    }

    fn open(&self, at: u64) -> Result<Response, Failure> {
        let range = format!("bytes={at}-");
        let headers: &[_] = if at > 0 { &[("range", range.as_str())] } else { &[] };
        self.client.get(&self.url, Ask { headers, authorization: None })?.success()
    }

    /// Without it a server could go on for ever.
    fn size(&self, response: Response) -> Result<u64, Failure> {
        let size = response.number("content-length");
        size.ok_or_else(|| {
            Error::failed(format!("{}: the server does not say how long it is", shown(&self.url))).into()
        })
    }
}
