//! Paths in the container, paths on the host, and what a mount begins with.

use std::fmt;
use std::path::{Path, PathBuf};

use super::scalar::{Refused, Scalar, scalar};
use super::text::refuse_controls;
use super::{Name, escaped};

/// PATH_MAX with its final NUL, and NAME_MAX.
const LONGEST_PATH: usize = 4095;
const LONGEST_PART: usize = 255;

/// An absolute path in the container, without "." and "..", which a symlink could turn into something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestPath(String);

/// A path on the host: absolute, or `./x` beside the file that it is written in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPath(String);

/// What is mounted: a path of the host, or the name of a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MountSource {
    /// For `type = "bind"`.
    Path(HostPath),
    /// For `type = "volume"`.
    Volume(Name),
}

/// The same path without "//", "/./" and a final "/".
fn normal(text: &str) -> Result<String, Refused> {
    refuse_controls(text)?;
    let mut path = String::with_capacity(text.len());
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            return Err(Refused::new(format!("\"{text}\" contains \"..\"")).help("write the path that it leads to"));
        }
        if part.len() > LONGEST_PART {
            return Err(Refused::new(format!("a part of the path is longer than {LONGEST_PART} bytes")));
        }
        path.push('/');
        path.push_str(part);
    }
    match path.len() {
        0 => Ok("/".to_owned()),
        length if length > LONGEST_PATH => Err(Refused::new(format!("the path is longer than {LONGEST_PATH} bytes"))),
        _ => Ok(path),
    }
}

impl GuestPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path itself.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl HostPath {
    /// The path as text; absolute in everything that was loaded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path itself.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The absolute path, `./x` taken beside a file in `directory`.
    pub fn resolve(&self, directory: &Path) -> PathBuf {
        match self.0.strip_prefix("./") {
            Some(relative) => directory.join(relative),
            None if self.0 == "." => directory.to_owned(),
            None => PathBuf::from(&self.0),
        }
    }
}

impl Scalar for GuestPath {
    const EXPECTED: &'static str = "an absolute path in the container";

    fn text(text: &str) -> Result<Self, Refused> {
        match text.starts_with('/') {
            true => normal(text).map(Self),
            false => Err(Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED))),
        }
    }
}

impl Scalar for HostPath {
    const EXPECTED: &'static str = "an absolute path on the host, or \"./x\" beside the file";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        match text {
            _ if text.starts_with('/') => normal(text).map(Self),
            _ if text == "." || text.starts_with("./") => normal(text).map(|path| {
                let relative = path.trim_start_matches('/');
                Self(if relative.is_empty() { ".".to_owned() } else { format!("./{relative}") })
            }),
            "" => Err(refused()),
            _ if text.starts_with("..") => Err(refused()),
            _ => Err(refused().help(format!("write \"./{}\"", escaped(text)))),
        }
    }
}

impl Scalar for MountSource {
    const EXPECTED: &'static str = "an absolute path, \"./x\" beside the file, or the name of a volume";

    fn text(text: &str) -> Result<Self, Refused> {
        match text.starts_with(['/', '.']) {
            true => HostPath::text(text).map(Self::Path),
            false => Name::text(text).map(Self::Volume).map_err(|_| {
                Refused::new(format!("\"{}\" is neither a path nor the name of a volume", escaped(text)))
                    .help("a path is absolute, or begins with \"./\" if it is beside the file")
            }),
        }
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for MountSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Volume(name) => name.fmt(f),
        }
    }
}

scalar!(GuestPath, { "type": "string", "pattern": "^/" });
scalar!(HostPath, { "type": "string", "pattern": "^(/|\\./|\\.$)" });
scalar!(MountSource, { "type": "string", "pattern": "^(/|\\./|\\.$|[a-z0-9])" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_paths_are_absolute_and_plain() {
        for (text, shown) in [("/", "/"), ("/var//www/", "/var/www"), ("/a/./b", "/a/b")] {
            assert_eq!(text.parse::<GuestPath>().unwrap().as_str(), shown);
        }
        for bad in ["", "a", "./a", "/a/..", "/../a", "/a\0b", "/a\nb", "/\u{202e}"] {
            assert!(bad.parse::<GuestPath>().is_err(), "{bad:?} was taken");
        }
        assert!(format!("/{}", "x".repeat(256)).parse::<GuestPath>().is_err());
        assert!("/x".repeat(2048).parse::<GuestPath>().is_err());
    }

    #[test]
    fn host_paths_may_lie_beside_the_file() {
        let path: HostPath = "./site".parse().unwrap();
        assert_eq!(path.resolve(Path::new("/etc/soute/containers")), Path::new("/etc/soute/containers/site"));
        assert_eq!("/srv/".parse::<HostPath>().unwrap().resolve(Path::new("/x")), Path::new("/srv"));
        assert_eq!("site".parse::<HostPath>().unwrap_err().help.unwrap(), "write \"./site\"");
        for bad in ["", "../x", "./../x", "~", "/a/../b"] {
            assert!(bad.parse::<HostPath>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_source_is_a_path_or_a_volume() {
        assert!(matches!("data".parse().unwrap(), MountSource::Volume(_)));
        assert!(matches!("./data".parse().unwrap(), MountSource::Path(_)));
        assert!("Data/x".parse::<MountSource>().is_err());
    }
}
