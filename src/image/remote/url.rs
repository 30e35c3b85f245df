//! Addresses of what is fetched.

use std::fmt;
use std::str::FromStr;

use crate::definition::types::escaped;

const LONGEST: usize = 8192;

/// A scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// With TLS.
    Https,
    /// Without, which has to be asked for.
    Http,
}

/// `https://host[:port]/path[?query]`: no user, no fragment, and nothing that would end a line of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// How it is fetched.
    pub scheme: Scheme,
    /// Host and port as they are written.
    pub authority: String,
    /// From its first slash on.
    pub path: String,
}

impl Url {
    /// Of an authority that is known to be one.
    pub fn https(authority: &str, path: impl Into<String>) -> Self {
        Self { scheme: Scheme::Https, authority: authority.to_owned(), path: path.into() }
    }

    /// Where a redirect leads from here.
    pub fn join(&self, location: &str) -> Result<Self, String> {
        let scheme = self.scheme.name();
        match location {
            _ if location.contains("://") => location.parse(),
            _ if location.starts_with("//") => format!("{scheme}:{location}").parse(),
            _ if location.starts_with('/') => format!("{scheme}://{}{location}", self.authority).parse(),
            _ => format!("{scheme}://{}{}{location}", self.authority, self.directory()).parse(),
        }
    }

    /// The file beside this one.
    pub fn beside(&self, name: &str) -> Self {
        Self { path: format!("{}{name}", self.directory()), ..self.clone() }
    }

    /// The last component, without a query.
    pub fn file_name(&self) -> &str {
        self.plain_path().rsplit('/').next().unwrap_or_default()
    }

    /// The same server by the same means: credentials go no further.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.authority.eq_ignore_ascii_case(&other.authority)
    }

    fn plain_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    fn directory(&self) -> &str {
        let path = self.plain_path();
        path.rfind('/').map_or("/", |slash| &path[..=slash])
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// A host name, or an address, with or without a port.
pub fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, rest)) if rest.starts_with(':') => (address, Some(&rest[1..])),
            _ => return false,
        },
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_host = match text.starts_with('[') {
        true => host.parse::<std::net::Ipv6Addr>().is_ok(),
        false => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            host.len() <= 253 && host.bytes().all(allowed) && host.starts_with(|c: char| c.is_ascii_alphanumeric())
        }
    };
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0);
    is_host && port.is_none_or(is_port)
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("\"{}\" is not an address: {why}", escaped(&start(text))));
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            _ => return refuse("it does not begin with https://"),
        };
        if text.len() > LONGEST {
            return refuse("it is too long");
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return refuse("a user and a password do not belong into it");
        }
        if !is_authority(authority) {
            return refuse("it has no host");
        }
        let path = path.split('#').next().unwrap_or_default();
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse("what is not ASCII, and blanks, have to be written as %20");
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { scheme, authority: authority.to_owned(), path })
    }
}

fn start(text: &str) -> String {
    text.chars().take(100).collect()
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for text in ["https://a.example/x", "https://a:5000/", "http://[::1]:80/a/b?c=d", "https://10.0.0.1/%20"] {
            assert_eq!(text.parse::<Url>().unwrap().to_string(), text);
        }
        assert_eq!("HTTPS://a?b#c".parse::<Url>().unwrap().to_string(), "https://a/?b");
        let bad = ["a", "ftp://a/", "https://", "https:///x", "https://u:p@a/", "https://a/ b", "https://a:0/"];
        for text in bad.into_iter().chain(["https://a:99999/", "https://[::x]/", "https://a\r\nb/", "https://-a/"]) {
            assert!(text.parse::<Url>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn redirects_and_neighbours() {
        let url: Url = "https://a.example:1/b/c.tar?d=/e/f".parse().unwrap();
        let joined = |location| url.join(location).map(|url| url.to_string());
        assert_eq!(joined("https://x/y").unwrap(), "https://x/y");
        assert_eq!(joined("//x/y").unwrap(), "https://x/y");
        assert_eq!(joined("/y").unwrap(), "https://a.example:1/y");
        assert_eq!(joined("y?z").unwrap(), "https://a.example:1/b/y?z");
        assert!(joined("file:///etc/passwd").is_err());
        assert_eq!(url.beside("SHA256SUMS").to_string(), "https://a.example:1/b/SHA256SUMS");
        assert_eq!(url.file_name(), "c.tar");
        assert!(url.same_origin(&url.beside("x")) && !url.same_origin(&url.join("https://a.example:2/b").unwrap()));
        assert!(!url.same_origin(&url.join("http://a.example:1/b").unwrap()));
    }
}
