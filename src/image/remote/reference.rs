//! Which image of which registry.

use std::fmt;
use std::str::FromStr;

use super::url::is_authority;
use crate::definition::types::escaped;
use crate::image::oci::digest::Digest;

/// The name of a registry that everybody writes, and the server that it is.
const DOCKER: (&str, &str) = ("docker.io", "registry-1.docker.io");
const LONGEST: usize = 255;

/// `host[:port]/repository[:tag][@sha256:…]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// As it is written, "docker.io" among them.
    pub host: String,
    /// "library/nginx"
    pub repository: String,
    /// "latest" where there is neither tag nor digest.
    pub tag: Option<String>,
    /// Which of all that ever had that tag.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Host and port of the server.
    pub fn server(&self) -> &str {
        if self.host == DOCKER.0 { DOCKER.1 } else { &self.host }
    }

    /// What the registry is asked for: a digest says all.
    pub fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_else(|| "latest".to_owned()),
        }
    }

    /// Host and repository: by this credentials and keys are found.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }
}

/// The first part of a name is a host if it could not be anything else, as everybody has it since docker.
fn is_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':']) || part.chars().any(|c| c.is_ascii_uppercase())
}

/// Runs of a-z and 0-9 with ".", "_", "__" or hyphens between them.
fn is_component(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut bytes = part.bytes().peekable();
    if !bytes.peek().is_some_and(|byte| is_word(*byte)) {
        return false;
    }
    let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|text| !text.is_empty());
    let ends_well = part.bytes().last().is_some_and(is_word);
    ends_well && separators.into_iter().all(|text| matches!(text, "." | "_" | "__") || text.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().is_some_and(is_word);
    first && tag.len() <= 128 && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let start: String = text.chars().take(100).collect();
        let refuse = |why: String| Err(format!("\"{}\" is not an image of a registry: {why}", escaped(&start)));
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => match digest.parse() {
                Ok(digest) => (name, Some(digest)),
                Err(why) => return refuse(why),
            },
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (name, None),
        };
        let (host, repository) = match name.split_once('/') {
            Some((host, repository)) if is_host(host) => (host, repository.to_owned()),
            Some(_) => (DOCKER.0, name.to_owned()),
            None => (DOCKER.0, format!("library/{name}")),
        };
        let host = if host == "index.docker.io" { DOCKER.0 } else { host };
        let repository = match host == DOCKER.0 && !repository.contains('/') {
            true => format!("library/{repository}"),
            false => repository,
        };
        if !is_authority(host) {
            return refuse("its host is none".to_owned());
        }
        if repository.len() > LONGEST || !repository.split('/').all(is_component) {
            return refuse("names have a-z, 0-9, and \".\", \"_\" or \"-\" between them".to_owned());
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return refuse("its tag is none".to_owned());
        }
        Ok(Self { host: host.to_owned(), repository, tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docker://{}/{}", self.host, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_read_as_everybody_reads_them() {
        let read = |text: &str| text.parse::<Reference>().unwrap().to_string();
        for (written, is) in [
            ("nginx", "docker.io/library/nginx"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("bitnami/redis", "docker.io/bitnami/redis"),
            ("docker.io/nginx", "docker.io/library/nginx"),
            ("index.docker.io/a/b", "docker.io/a/b"),
            ("localhost/a", "localhost/a"),
            ("localhost:5000/a:b", "localhost:5000/a:b"),
            ("[::1]:5000/a", "[::1]:5000/a"),
            ("quay.io/a/b/c__d.e-f---g:V_1.2-x", "quay.io/a/b/c__d.e-f---g:V_1.2-x"),
        ] {
            assert_eq!(read(written), format!("docker://{is}"));
            assert_eq!(read(&format!("{written}@{DIGEST}")), format!("docker://{is}@{DIGEST}"));
        }
        let reference: Reference = format!("nginx:1@{DIGEST}").parse().unwrap();
        assert_eq!((reference.server(), reference.wanted().as_str()), ("registry-1.docker.io", DIGEST));
        assert_eq!("a.b/c".parse::<Reference>().unwrap().wanted(), "latest");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let bad = [
            "",
            "/",
            "a.b/",
            "a.b//c",
            "a.b/../c",
            "a.b/C",
            "a.b/-c",
            "a.b/c-",
            "a.b/c___d",
            "a.b/c..d",
            "a.b/c:",
            "a.b/c:-x",
            "a.b/c@",
            "a.b/c@sha256:00",
            "a.b/c@sha512:00",
            "a b/c",
            "a.b:x/c",
            "a.b/c?d",
            "a.b/c#d",
            "a.b/c%2f",
            "a.b\r\n/c",
            "u@a.b/c",
            "a.b/é",
            "A.B:0/c",
        ];
        for text in bad.into_iter().chain([format!("a.b/{}", "c".repeat(256)).as_str()]) {
            assert!(text.parse::<Reference>().is_err(), "{text:?} was taken");
        }
        let hostile = "a.b/\u{1b}[2J".parse::<Reference>().unwrap_err();
        assert!(!hostile.contains('\u{1b}'), "{hostile:?}");
    }
}
