//! Device nodes of the host, and what may be done with them.

use std::fmt;

use super::escaped;
use super::path::GuestPath;
use super::scalar::{Refused, Scalar, scalar};

/// A device node of the host. systemd writes it into the transient unit without quotes, so that it has to be plain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DevicePath(String);

impl DevicePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for DevicePath {
    const EXPECTED: &'static str = "a device node of the host such as \"/dev/fuse\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        // The same rules as for a path in the container: absolute, and nothing that leads elsewhere.
        let path = GuestPath::text(text).map_err(|_| refused())?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.:@+,=-".contains(&byte);
        match path.as_str() {
            path if !path.bytes().all(plain) => Err(refused().help("name the node that such a link leads to")),
            path if path.strip_prefix("/dev/").is_some() => Ok(Self(path.to_owned())),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for DevicePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(DevicePath, { "type": "string", "pattern": "^/dev/[A-Za-z0-9/_.:@+,=-]+$" });

/// What may be done with a device, in the letters of DeviceAllow=.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceAccess {
    read: bool,
    write: bool,
    make: bool,
}

impl DeviceAccess {
    /// Whether the payload may write to it.
    pub fn writes(self) -> bool {
        self.write
    }
}

impl Default for DeviceAccess {
    fn default() -> Self {
        Self { read: true, write: true, make: false }
    }
}

impl Scalar for DeviceAccess {
    const EXPECTED: &'static str = "of the letters r, w and m, such as \"rw\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let once = |letter: char| text.matches(letter).count() <= 1;
        let known = !text.is_empty() && text.chars().all(|letter| "rwm".contains(letter) && once(letter));
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        let has = |letter| text.contains(letter);
        if known { Ok(Self { read: has('r'), write: has('w'), make: has('m') }) } else { Err(refused()) }
    }
}

impl fmt::Display for DeviceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(self.read, "r"), (self.write, "w"), (self.make, "m")];
        letters.into_iter().filter(|(has, _)| *has).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

scalar!(DeviceAccess, { "type": "string", "pattern": "^[rwm]{1,3}$" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_below_dev_and_plain() {
        assert_eq!("/dev//dri/renderD128".parse::<DevicePath>().unwrap().as_str(), "/dev/dri/renderD128");
        for bad in
            ["fuse", "/dev", "/etc/passwd", "/dev/../etc/passwd", "/dev/a b", "/dev/a\\x20b", "/dev/%n", "/dev/a\n"]
        {
            assert!(bad.parse::<DevicePath>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn access_is_a_set_of_letters() {
        assert_eq!("wr".parse::<DeviceAccess>().unwrap().to_string(), "rw");
        for bad in ["", "rr", "x", "rwx", "R"] {
            assert!(bad.parse::<DeviceAccess>().is_err(), "{bad:?} was taken");
        }
    }
}
