//! Where a health check asks.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// `http://[HOST]:PORT/PATH` within the container's network; without a host its loopback.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    /// An address or a name; empty is loopback.
    pub host: String,
    /// The port; 80 where none is written.
    pub port: u16,
    /// From the first slash.
    pub path: String,
}

impl Scalar for HttpUrl {
    const EXPECTED: &'static str = "an address such as \"http://:8080/health\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        if text.starts_with("https://") {
            return Err(refused().help("there is no TLS within the container: use http, or a command"));
        }
        let rest = text.strip_prefix("http://").ok_or_else(refused)?;
        let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        // What would end a line of the request, or the request.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || authority.contains('@') {
            return Err(refused());
        }
        let bracketed = authority.strip_prefix('[').map(|rest| rest.split_once(']').ok_or_else(refused)).transpose()?;
        let (host, port) = match bracketed {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(refused)?)),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(80), str::parse).ok().filter(|port| *port != 0).ok_or_else(refused)?;
        Ok(Self { host: host.to_owned(), port, path: path.to_owned() })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "http://[{}]:{}{}", self.host, self.port, self.path),
            false => write!(f, "http://{}:{}{}", self.host, self.port, self.path),
        }
    }
}

scalar!(HttpUrl, { "type": "string", "pattern": "^http://[^/]*(/.*)?$" });

#[cfg(test)]
mod tests {
    use super::HttpUrl;

    #[test]
    fn host_port_and_path_may_be_missing() {
        let parts = |text: &str| text.parse::<HttpUrl>().ok().map(|url| (url.host.clone(), url.port, url.path.clone()));
        let url = |host: &str, port, path: &str| Some((host.to_owned(), port, path.to_owned()));
        assert_eq!(parts("http://:8080/health?x=1"), url("", 8080, "/health?x=1"));
        assert_eq!(parts("http://10.88.0.2"), url("10.88.0.2", 80, "/"));
        assert_eq!(parts("http://[fd00::1]:81/x"), url("fd00::1", 81, "/x"));
        assert_eq!(parts("http://localhost:0/"), None);
        for wrong in [
            "https://:443/",
            "localhost",
            "http://:x/",
            "http://a@b/",
            "http://:80/ x",
            "http://[::1/",
            "http://[::1]x",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
        let text = "http://[fd00::1]:81/x";
        assert_eq!(text.parse::<HttpUrl>().unwrap().to_string(), text);
    }
}
