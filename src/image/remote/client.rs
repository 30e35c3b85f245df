//! HTTP with an end to everything: time, redirects, headers, documents.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};

use super::retry::{Failure, too_slow};
use super::url::{Scheme, Url};
use super::{identity, trust};
use crate::definition::types::escaped;
use crate::error::{Error, Exit, Result};

/// A registry sends to its storage, and that perhaps to the nearest one.
const MAX_REDIRECTS: usize = 5;
/// A body that comes in slower than this many bytes in a time of [`Patience::idle`] does not come in.
const SLOWEST: u64 = 16 << 10;

/// How long a server may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// To be connected.
    pub connect: Duration,
    /// To say anything, or anything more.
    pub idle: Duration,
    /// The first pause between two attempts.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let idle = Duration::from_secs(30);
        Self { connect: Duration::from_secs(20), idle, pause: Duration::from_millis(500) }
    }
}

/// Asks servers, with a pool of connections for each.
#[derive(Debug)]
pub struct Client {
    root: PathBuf,
    insecure: bool,
    patience: Patience,
    agents: Mutex<BTreeMap<String, Agent>>,
}

/// What a server answered.
#[derive(Debug)]
pub struct Response {
    /// Where it came from in the end.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Body,
}

/// What a request says besides where it goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// Headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The value of Authorization, for the server that is asked and for no other.
    pub authorization: Option<&'a str>,
}

impl Client {
    /// With the certificates below `root`. Insecure: they are not looked at, and HTTP without TLS will do.
    pub fn new(root: PathBuf, insecure: bool, patience: Patience) -> Self {
        Self { root, insecure, patience, agents: Mutex::default() }
    }

    /// The directory below which the host's files are.
    pub fn root(&self) -> &std::path::Path {
        &self.root
    }

    /// Was it asked to take what nobody vouches for?
    pub fn is_insecure(&self) -> bool {
        self.insecure
    }

    /// How long it waits.
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// The answer to a GET, whatever its status, once no redirect is left.
    pub fn get(&self, url: &Url, ask: Ask<'_>) -> Result<Response, Failure> {
        let mut at = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let authorization = ask.authorization.filter(|_| at.same_origin(url));
            let response = self.once(&at, ask.headers, authorization).map_err(|failure| failure.at(&shown(&at)))?;
            let location = response.header("location").filter(|_| response.status.is_redirection());
            let Some(location) = location else { return Ok(response) };
            let next =
                at.join(location).map_err(|why| Error::failed(format!("{}: it redirects: {why}", shown(&at))))?;
            if next.scheme == Scheme::Http && at.scheme == Scheme::Https {
                return Err(
                    Error::failed(format!("{}: it redirects to {}, without TLS", shown(&at), shown(&next))).into()
                );
            }
            at = next;
        }
        Err(Error::failed(format!("{}: more than {MAX_REDIRECTS} redirects", shown(url))).into())
    }

    fn once(&self, url: &Url, headers: &[(&str, &str)], authorization: Option<&str>) -> Result<Response, Failure> {
        if url.scheme == Scheme::Http && !self.insecure {
            return Err(
                Error::failed("it is without TLS, anybody on the way could change it (--insecure takes it)").into()
            );
        }
        if url.scheme == Scheme::Http && authorization.is_some() {
            return Err(Error::failed("credentials are not sent without TLS").into());
        }
        let mut request = self.agent(&url.authority)?.get(url.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let (parts, body) = request.call().map_err(failure)?.into_parts();
        let reader = Box::new(body.into_reader());
        let body = Body { reader, idle: self.patience.idle, since: Instant::now(), bytes: 0 };
        Ok(Response { url: url.clone(), status: parts.status, headers: parts.headers, body })
    }

    fn agent(&self, authority: &str) -> Result<Agent> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(authority) {
            return Ok(agent.clone());
        }
        let authorities = if self.insecure { Vec::new() } else { trust::authorities(&self.root, authority)? };
        if authorities.is_empty() && !self.insecure {
            return Err(Error::failed("this host has no certificate authorities: is ca-certificates installed?"));
        }
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&authorities))
            .client_cert(identity::client(&self.root, authority)?)
            .disable_verification(self.insecure)
            .build();
        let Patience { connect, idle, .. } = self.patience;
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("soute/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_send_request(Some(idle))
            .timeout_recv_response(Some(idle))
            .timeout_per_read(Some(idle))
            .timeout_per_write(Some(idle))
            .build()
            .new_agent();
        agents.insert(authority.to_owned(), agent.clone());
        Ok(agent)
    }
}

impl Response {
    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// Passes on what was answered well; the rest is said as what it is.
    pub fn success(self) -> Result<Self, Failure> {
        if self.status.is_success() {
            return Ok(self);
        }
        let reason = self.status.canonical_reason().unwrap_or("an unknown status");
        let message = format!("{}: the server says {} {reason}", shown(&self.url), self.status.as_u16());
        let wait = self.number("retry-after").map(Duration::from_secs);
        Err(match self.status.as_u16() {
            429 | 500 | 502..=504 => Failure::Passing(Error::failed(message), wait),
            401 | 403 => Failure::Final(Error::new(Exit::NotPermitted, message)),
            404 | 410 => Failure::Final(Error::new(Exit::NotFound, message)),
            _ => Failure::Final(Error::failed(message)),
        })
    }

    /// A document of at most so many bytes.
    pub fn document(mut self, most: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let read = (&mut self.body).take(most + 1).read_to_end(&mut bytes);
        read.map_err(|error| interrupted(error).at(&shown(&self.url)))?;
        match bytes.len() as u64 > most {
            true => Err(Error::failed(format!("{}: it has more than {most} bytes", shown(&self.url))).into()),
            false => Ok(bytes),
        }
    }

    /// The body, as it comes.
    pub fn into_body(self) -> Body {
        self.body
    }
}

/// A body that is not waited for for ever, however little at a time it comes.
pub struct Body {
    reader: Box<dyn Read + Send>,
    idle: Duration,
    since: Instant,
    bytes: u64,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.bytes += length as u64;
        if self.since.elapsed() > self.idle {
            if self.bytes < SLOWEST && length > 0 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it comes too slowly"));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        Ok(length)
    }
}

/// An address as it may be shown: what signs a query is nobody's business.
pub fn shown(url: &Url) -> String {
    let text = url.to_string();
    escaped(text.split('?').next().unwrap_or_default())
}

/// A body that broke off.
pub fn interrupted(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut => too_slow("it comes too slowly"),
        io::ErrorKind::UnexpectedEof => Failure::Passing(Error::failed("it breaks off"), None),
        _ => match error.get_ref().is_some_and(|cause| cause.is::<ureq::Error>()) {
            true => failure(ureq::Error::from(error)),
            false => Failure::Passing(Error::failed(escaped(&error.to_string())), None),
        },
    }
}

fn failure(error: ureq::Error) -> Failure {
    use ureq::Error::{HostNotFound, Io, Protocol, Rustls, Timeout};
    let text = || escaped(&error.to_string());
    match &error {
        Timeout(_) => too_slow("it does not answer in time"),
        HostNotFound => Failure::Final(Error::failed("there is no such host")),
        Rustls(cause) => Failure::Final(untrusted(&cause.to_string())),
        Protocol(_) => Failure::Final(Error::failed(format!("it does not speak HTTP: {}", text()))),
        Io(cause) => match cause.kind() {
            // rustls tells of a bad certificate while it completes the handshake, as an error of the socket.
            io::ErrorKind::InvalidData => Failure::Final(untrusted(&cause.to_string())),
            io::ErrorKind::ConnectionRefused => Failure::Final(Error::failed("it refuses the connection")),
            io::ErrorKind::TimedOut => too_slow("it does not answer in time"),
            io::ErrorKind::UnexpectedEof => Failure::Passing(Error::failed("it breaks off"), None),
            _ => Failure::Passing(Error::failed(text()), None),
        },
        _ => Failure::Final(Error::failed(text())),
    }
}

fn untrusted(cause: &str) -> Error {
    // What the other side says of us comes with the first answer, after the handshake.
    if let Some(alert) = cause.split_once("fatal alert: ").map(|(_, alert)| escaped(alert)) {
        return Error::new(
            Exit::NotPermitted,
            format!(
                "it does not take the certificate of this host, or its having none: {alert} \
                     (/etc/containers/certs.d/HOST:PORT/client.cert and client.key)"
            ),
        );
    }
    let advice = match cause {
        _ if cause.contains("UnknownIssuer") => {
            " (an authority of its own belongs into /etc/containers/certs.d/HOST:PORT/ca.crt)"
        }
        _ if cause.contains("CaUsedAsEndEntity") => " (a certificate that signs itself has to be made without CA:TRUE)",
        _ => "",
    };
    Error::failed(format!("cannot trust it: {}{advice}", escaped(cause)))
}
