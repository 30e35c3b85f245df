//! Where an image is to come from, as the user wrote it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::reference::Reference;
use super::url::Url;

/// A source of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file or directory of this machine.
    Path(PathBuf),
    /// An image of a registry, `docker://…`.
    Registry(Reference),
    /// A file of a server, `https://…`.
    Server(Url),
}

impl Source {
    /// One that is not on this machine, which can be asked again.
    pub fn remote(text: &str) -> Result<Self, String> {
        match text.parse()? {
            Self::Path(_) => Err("it begins with neither docker:// nor https://".to_owned()),
            remote => Ok(remote),
        }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("docker", name)) => name.parse().map(Self::Registry),
            Some(("https" | "http", _)) => text.parse().map(Self::Server),
            _ if text.is_empty() => Err("it is empty".to_owned()),
            _ => Ok(Self::Path(text.into())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Registry(reference) => reference.fmt(f),
            Self::Server(url) => url.fmt(f),
        }
    }
}
