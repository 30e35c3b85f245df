//! An image of a registry, by the distribution specification of the OCI.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::challenge::Challenge;
use super::client::{Ask, Client, Patience, Response, shown};
use super::cosign::Rule;
use super::credentials::{self, Keeper};
use super::reference::Reference;
use super::retry::{Failure, retried};
use super::url::{Scheme, Url};
use super::{download, vouch};
use crate::definition::types::escaped;
use crate::error::{Context, Error, Exit, Result};
use crate::image::copy::Progress;
use crate::image::oci::blobs::{Blobs, Fetched};
use crate::image::oci::digest::Digest;
use crate::image::oci::document::{Descriptor, MAX_DOCUMENT, accepted, json};
use crate::image::oci::{Found, find_in};

/// More than any token.
const MAX_TOKEN: u64 = 1 << 20;

/// One repository of a registry.
#[derive(Debug)]
pub struct Repository {
    client: Client,
    reference: Reference,
    base: Url,
    authorization: Mutex<Option<String>>,
    login: Mutex<Option<Login>>,
}

/// Who we are to a registry, once that has been found out.
#[derive(Debug, Clone)]
enum Login {
    /// What Authorization says, and who says so.
    Known(String, String),
    Nobody,
}

/// An image that was found in a registry, of which nothing is here but its documents.
pub struct Remote {
    /// The digest of what its name stands for: an index of images, or a manifest.
    pub pinned: Digest,
    /// The image for this machine.
    pub found: Found,
    repository: Arc<Repository>,
    blobs: Blobs,
}

impl Remote {
    /// Brings the layers into files below `dir`.
    pub fn fetch(mut self, dir: BorrowedFd<'_>, progress: &mut Progress<'_>) -> Result<(Found, Blobs)> {
        let wanted = self.found.blobs().cloned().collect();
        let open = |descriptor: &Descriptor, at| self.repository.blob(&descriptor.digest, at);
        let layers = download::blobs(wanted, dir, self.repository.client.patience(), &open, progress)?;
        if let Blobs::Fetched(fetched) = &mut self.blobs {
            fetched.layers = layers;
        }
        Ok((self.found, self.blobs))
    }
}

/// Finds the image for this machine. A name with a rule has to be signed by the rule's key.
pub fn find(client: Client, reference: &Reference, rule: Option<&Rule>) -> Result<Remote> {
    let repository = Arc::new(Repository::new(client, reference)?);
    let (top, bytes) = repository.top()?;
    if let Some(Rule { prefix, key }) = rule {
        let key = repository.client.root().join(key.strip_prefix("/").unwrap_or(key));
        let signed = vouch::check(&repository, &key, &top.digest);
        signed.with_context(|| format!("images of {prefix} have to be signed"))?;
    }
    let pinned = top.digest.clone();
    let documents = BTreeMap::from([(pinned.clone(), bytes)]);
    let asked = repository.clone();
    let document = move |descriptor: &Descriptor| match documents.get(&descriptor.digest) {
        Some(bytes) => Ok(bytes.clone()),
        None => asked.document(descriptor),
    };
    let blobs = Blobs::Fetched(Fetched { document: Box::new(document), layers: BTreeMap::new() });
    let found = find_in(&blobs, vec![top])?;
    Ok(Remote { pinned, found, repository, blobs })
}

impl Repository {
    /// Without TLS only where that was allowed and there is none.
    pub fn new(client: Client, reference: &Reference) -> Result<Self> {
        let mut base = Url::https(reference.server(), "/v2/");
        if client.is_insecure() && client.get(&base, Ask::default()).is_err() {
            base.scheme = Scheme::Http;
        }
        Ok(Self {
            client,
            reference: reference.clone(),
            base,
            authorization: Mutex::default(),
            login: Mutex::default(),
        })
    }

    /// What its name stands for.
    fn top(&self) -> Result<(Descriptor, Vec<u8>)> {
        let Reference { digest, .. } = &self.reference;
        let (media_type, said, bytes) = self.manifest(&self.reference.wanted())?;
        let found = Digest::of(&bytes);
        if let Some(other) = [digest.clone(), said].into_iter().flatten().find(|digest| *digest != found) {
            return Err(Error::failed(format!("what came for {other} has the digest {found}")));
        }
        let size = bytes.len() as u64;
        let top = Descriptor { media_type, digest: found, size, platform: None, annotations: BTreeMap::new() };
        match top.is_image() {
            true => Ok((top, bytes)),
            false => Err(Error::failed(format!("it is not an image but {}", escaped(&top.media_type)))),
        }
    }

    /// How long it waits for its server.
    pub(super) fn patience(&self) -> Patience {
        self.client.patience()
    }

    /// A manifest by tag or digest: its type, its digest as the registry has it, and itself.
    pub(super) fn manifest(&self, wanted: &str) -> Result<(String, Option<Digest>, Vec<u8>)> {
        let accept = accepted();
        retried(self.client.patience().pause, || {
            let response = self.get(&format!("manifests/{wanted}"), &[("accept", accept.as_str())])?;
            let media_type = response.header("content-type").unwrap_or_default();
            let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
            let said = response.header("docker-content-digest").and_then(|digest| digest.parse().ok());
            Ok((media_type, said, response.document(MAX_DOCUMENT)?))
        })
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let Descriptor { digest, size, .. } = descriptor;
        let bytes = match descriptor.is_image() {
            true => self.manifest(&digest.to_string())?.2,
            false => retried(self.client.patience().pause, || self.blob(digest, 0)?.document(MAX_DOCUMENT))?,
        };
        match bytes.len() as u64 == *size {
            true => Ok(bytes),
            false => Err(Error::failed(format!("{digest} has {} bytes instead of {size}", bytes.len()))),
        }
    }

    pub(super) fn blob(&self, digest: &Digest, at: u64) -> Result<Response, Failure> {
        let range = format!("bytes={at}-");
        let headers: &[_] = if at > 0 { &[("range", range.as_str())] } else { &[] };
        self.get(&format!("blobs/{digest}"), headers)
    }

    /// Asks; who has to be known for it makes himself known, once.
    pub(super) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Response, Failure> {
        let url = Url { path: format!("/v2/{}/{path}", self.reference.repository), ..self.base.clone() };
        let known = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ask = Ask { headers, authorization: known.as_deref() };
        let response = self.client.get(&url, ask)?;
        if response.status.as_u16() != 401 || !response.url.same_origin(&url) {
            return response.success();
        }
        let challenges = response.headers.get_all("www-authenticate").iter();
        let challenge = challenges.filter_map(|value| Challenge::parse(value.to_str().ok()?)).next();
        let authorization = self.authorize(challenge)?;
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization.clone());
        let response = self.client.get(&url, Ask { headers, authorization: Some(&authorization) })?;
        if matches!(response.status.as_u16(), 401 | 403) && response.url.same_origin(&url) {
            return Err(self.refused()?.into());
        }
        response.success()
    }

    /// What Authorization has to say.
    fn authorize(&self, challenge: Option<Challenge>) -> Result<String, Failure> {
        match (challenge, self.basic()?) {
            (Some(Challenge::Basic), Some(basic)) => Ok(basic),
            (Some(Challenge::Bearer { realm, service, scope }), basic) => {
                self.token(&realm, service.as_deref(), scope.as_deref(), basic.as_deref())
            }
            _ => Err(self.refused()?.into()),
        }
    }

    fn basic(&self) -> Result<Option<String>> {
        Ok(match self.login()? {
            Login::Known(basic, _) => Some(basic),
            Login::Nobody => None,
        })
    }

    /// Programs are asked once, however many layers are brought at a time.
    fn login(&self) -> Result<Login> {
        let mut known = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(login) = &*known {
            return Ok(login.clone());
        }
        let mut login = Login::Nobody;
        for keeper in credentials::keepers(self.client.root(), &self.reference)? {
            let (pair, by) = match keeper {
                Keeper::File(pair) => (Some(pair), "auth.json".to_owned()),
                Keeper::Helper(helper, server) => {
                    (helper.ask(&server, self.client.patience().idle)?, helper.program().to_owned())
                }
            };
            if let Some(pair) = pair {
                login = Login::Known(format!("Basic {pair}"), by);
                break;
            }
        }
        *known = Some(login.clone());
        Ok(login)
    }

    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
        basic: Option<&str>,
    ) -> Result<String, Failure> {
        let mut url: Url = realm.parse().map_err(|why: String| Error::failed(format!("its realm: {why}")))?;
        let usual = format!("repository:{}:pull", self.reference.repository);
        for (name, value) in [("service", service), ("scope", Some(scope.unwrap_or(&usual)))] {
            if let Some(value) = value {
                url.path += if url.path.contains('?') { "&" } else { "?" };
                url.path += &format!("{name}={}", encoded(value));
            }
        }
        let response = self.client.get(&url, Ask { headers: &[], authorization: basic })?;
        if matches!(response.status.as_u16(), 401 | 403) {
            return Err(self.refused()?.into());
        }
        let address = shown(&url);
        let bytes = response.success()?.document(MAX_TOKEN)?;
        let token: Token = json(&bytes).with_context(|| address.clone())?;
        match token.token.or(token.access_token) {
            Some(token) if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(format!("Bearer {token}"))
            }
            _ => Err(Error::failed(format!("{address}: it gives no token")).into()),
        }
    }

    fn refused(&self) -> Result<Error> {
        let Reference { host, .. } = &self.reference;
        let name = self.reference.name();
        let message = match self.login()? {
            Login::Known(_, by) => format!("{host} does not give {name} to whom {by} names (podman login {host})"),
            Login::Nobody => {
                format!("{host} does not give {name} to everybody, or has no such image (podman login {host})")
            }
        };
        Ok(Error::new(Exit::NotPermitted, message))
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// As a value in a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/,*".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}
