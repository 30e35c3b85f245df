//! Digests: what names a blob, and what is held against it while it streams.

use std::fmt::{self, Write};
use std::io::{self, Read};
use std::str::FromStr;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::definition::types::escaped;
use crate::error::{Context, Error, Result};

/// "sha256:" and 64 hexadecimal digits in lower case, and nothing else: it becomes part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest(String);

impl Digest {
    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_hash(Sha256::new_with_prefix(bytes))
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        &self.0[7..]
    }

    fn from_hash(sha: Sha256) -> Self {
        Self(sha.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }
}

/// 64 hexadecimal digits in lower case?
pub fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("sha256:") {
            Some(hex) if is_hex(hex) => Ok(Self(text.to_owned())),
            _ => {
                let start: String = text.chars().take(100).collect();
                Err(format!("\"{}\" is not a digest: sha256: and 64 digits are", escaped(&start)))
            }
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The digest of what comes in pieces.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// The next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        Digest::from_hash(self.0)
    }
}

/// A stream that is hashed as it is read, and ends with an error where it is longer than it may be.
pub struct Hashed<R> {
    reader: R,
    sha: Sha256,
    /// Bytes that may come, where that is known.
    left: Option<u64>,
}

impl<R: Read> Hashed<R> {
    /// Of a stream that has `size` bytes, if that is known.
    pub fn new(reader: R, size: Option<u64>) -> Self {
        Self { reader, sha: Sha256::new(), left: size }
    }

    /// Reads what is left and says whether all of it was `wanted`.
    pub fn finish(mut self, wanted: &Digest) -> Result<()> {
        io::copy(&mut self, &mut io::sink()).with_context(|| format!("cannot read {wanted}"))?;
        let found = Digest::from_hash(self.sha);
        if found == *wanted { Ok(()) } else { Err(Error::failed(format!("{wanted} has the digest {found}"))) }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        if let Some(left) = &mut self.left {
            let longer = || io::Error::other("it is longer than its descriptor says");
            *left = left.checked_sub(length as u64).ok_or_else(longer)?;
            if length == 0 && *left > 0 && !buffer.is_empty() {
                return Err(io::Error::other("it is shorter than its descriptor says"));
            }
        }
        self.sha.update(&buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_sha256_and_64_digits() {
        assert_eq!(EMPTY.parse(), Ok(Digest::of(b"")));
        assert_eq!(Digest::of(b"").hex(), &EMPTY[7..]);
        let upper = EMPTY.to_ascii_uppercase();
        let dots = format!("sha256:{}", "../".repeat(22).get(..64).unwrap());
        for bad in ["", "sha256:", &EMPTY[7..], &EMPTY[..70], &upper, &dots, "sha512:00", "sha256:../../x"] {
            assert!(
                bad.parse::<Digest>().unwrap_err().ends_with("is not a digest: sha256: and 64 digits are"),
                "{bad}"
            );
        }
        let hostile = format!("{}\u{1b}[2J", EMPTY).parse::<Digest>().unwrap_err();
        assert!(!hostile.contains('\u{1b}'), "{hostile:?}");
    }

    #[test]
    fn a_stream_has_to_have_its_size_and_its_digest() {
        let read = |bytes: &[u8], size, wanted: &Digest| {
            Hashed::new(bytes, size).finish(wanted).map_err(|error| error.to_string())
        };
        let abc = Digest::of(b"abc");
        assert_eq!(read(b"abc", Some(3), &abc), Ok(()));
        assert_eq!(read(b"abc", None, &abc), Ok(()));
        assert!(read(b"abd", Some(3), &abc).unwrap_err().contains("has the digest sha256:a52d"));
        assert!(read(b"abc", Some(2), &abc).unwrap_err().ends_with("it is longer than its descriptor says"));
        assert!(read(b"abc", Some(4), &abc).unwrap_err().ends_with("it is shorter than its descriptor says"));
    }
}
