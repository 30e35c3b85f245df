//! Extended headers of tar archives (pax(1), "pax Extended Header"), by the length that each record gives.
//!
//! Values are bytes: a capability or an ACL may have a newline in it, where a reader by lines would be lost.

use std::collections::BTreeMap;

use rustix::fs::Timespec;

use crate::error::{Error, Result};

/// What the eleven octal digits of a plain header hold: sizes and times.
pub const MAX_NUMBER: u64 = 0o777_7777_7777;

/// The records of one extended header, read; of two with one key the last counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pax(BTreeMap<Vec<u8>, Vec<u8>>);

impl Pax {
    /// Reads the records of a header's content, over those that are there.
    pub fn read(&mut self, mut content: &[u8]) -> Result<()> {
        // Some writers fill the block with zeros and count them as content.
        while content.first().is_some_and(|&byte| byte != 0) {
            let (key, value, rest) = record(content).ok_or_else(|| Error::failed("an extended header is damaged"))?;
            if key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes" {
                return Err(Error::failed("sparse files of tar 1.14 (format 0.0) are not read"));
            }
            self.0.insert(key.to_owned(), value.to_owned());
            content = rest;
        }
        Ok(())
    }

    /// These records over those of an earlier, global header.
    pub fn over(mut self, global: &Self) -> Self {
        for (key, value) in &global.0 {
            self.0.entry(key.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// A value; an empty one takes a global one back.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key.as_bytes()).map(Vec::as_slice).filter(|value| !value.is_empty())
    }

    /// A decimal number that is not negative.
    pub fn number(&self, key: &str) -> Result<Option<u64>> {
        self.get(key)
            .map(|value| number(value).ok_or_else(|| Error::failed(format!("its {key} is no number"))))
            .transpose()
    }

    /// A time in seconds, with a fraction of any length and a sign.
    pub fn time(&self, key: &str) -> Result<Option<Timespec>> {
        self.get(key).map(|value| time(value).ok_or_else(|| Error::failed(format!("its {key} is no time")))).transpose()
    }

    /// Records whose key begins with `prefix`, without it.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.0.iter().filter_map(move |(key, value)| Some((key.strip_prefix(prefix.as_bytes())?, value.as_slice())))
    }
}

/// Records to be written.
#[derive(Debug, Default)]
pub struct Records(Vec<u8>);

impl Records {
    /// What the header has for its content; empty where none is needed.
    pub fn content(&self) -> &[u8] {
        &self.0
    }

    /// A record of any bytes.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest;
        while rest + length.to_string().len() != length {
            length = rest + length.to_string().len();
        }
        self.0.extend_from_slice(format!("{length} ").as_bytes());
        [key, b"=", value, b"\n"].iter().for_each(|part| self.0.extend_from_slice(part));
    }

    /// A decimal number.
    pub fn number(&mut self, key: &str, value: u64) {
        self.add(key.as_bytes(), value.to_string().as_bytes());
    }

    /// What a plain header has too little room for.
    pub fn text(&mut self, key: &str, value: &[u8]) {
        if value.len() > 100 || !value.is_ascii() {
            self.add(key.as_bytes(), value);
        }
    }

    /// The time of the last change, where a plain header has too little room for it.
    pub fn time(&mut self, time: Timespec) {
        let (seconds, nanoseconds) = (time.tv_sec, time.tv_nsec);
        if nanoseconds == 0 && u64::try_from(seconds).is_ok_and(|seconds| seconds <= MAX_NUMBER) {
            return;
        }
        // -0.5 is the second before 1970 and half of it.
        let (sign, seconds, nanoseconds) = match seconds {
            0.. => ("", seconds.unsigned_abs(), nanoseconds),
            _ if nanoseconds == 0 => ("-", seconds.unsigned_abs(), 0),
            _ => ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanoseconds),
        };
        self.add(b"mtime", format!("{sign}{seconds}.{nanoseconds:09}").as_bytes());
    }
}

/// "LENGTH KEY=VALUE\n", where LENGTH counts all of it.
fn record(content: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = content.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(number(&content[..space])?).ok()?;
    let (record, rest) = content.split_at_checked(length)?;
    let pair = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    (equals > 0).then(|| (&pair[..equals], &pair[equals + 1..], rest))
}

/// A decimal number: digits only, no sign.
pub fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn time(value: &[u8]) -> Option<Timespec> {
    let (negative, value) = value.strip_prefix(b"-").map_or((false, value), |rest| (true, rest));
    let mut parts = value.splitn(2, |&byte| byte == b'.');
    let seconds = i64::try_from(number(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    number(fraction.get(..fraction.len().min(9))?).or(fraction.is_empty().then_some(0))?;
    let nanoseconds = (0..9).fold(0, |sum, i| sum * 10 + i64::from(fraction.get(i).map_or(0, |digit| digit - b'0')));
    Some(match (negative, nanoseconds) {
        (false, _) => Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
        (true, 0) => Timespec { tv_sec: -seconds, tv_nsec: 0 },
        (true, _) => Timespec { tv_sec: -seconds - 1, tv_nsec: 1_000_000_000 - nanoseconds },
    })
}

#[cfg(test)]
mod tests {
    use crate::image::archive::pax::*;

    fn read(content: &[u8]) -> Result<Pax> {
        let mut pax = Pax::default();
        pax.read(content).map(|()| pax)
    }

    #[test]
    fn values_are_bytes_by_their_length() {
        let pax = read(b"14 key=a\nb=c\0\n9 empty=\n6 x=y\n\0\0\0").unwrap();
        assert_eq!(pax.get("key"), Some(&b"a\nb=c\0"[..]));
        assert_eq!((pax.get("empty"), pax.get("x")), (None, Some(&b"y"[..])));
    }

    #[test]
    fn what_is_written_is_read_again() {
        // Around where LENGTH gets a further digit.
        for length in (1..20).chain(80..110).chain(980..1010) {
            let value = vec![b'\n'; length];
            let mut records = Records::default();
            records.add(b"key", &value);
            records.number("size", 1 << 40);
            let pax = read(records.content()).unwrap();
            assert_eq!((pax.get("key"), pax.get("size")), (Some(value.as_slice()), Some(&b"1099511627776"[..])));
        }
        for time in [(5, 1), (-2, 750_000_000), (-3, 0), (1 << 40, 0)] {
            let mut records = Records::default();
            records.time(Timespec { tv_sec: time.0, tv_nsec: time.1 });
            let written = read(records.content()).unwrap();
            assert_eq!(
                crate::image::archive::pax::time(written.get("mtime").unwrap()).map(|t| (t.tv_sec, t.tv_nsec)),
                Some(time)
            );
        }
    }

    #[test]
    fn damaged_records_are_refused() {
        for bad in [
            &b"7 x=y\n"[..],
            b"5 x=y\n",
            b"99 x=y\n",
            b"-6 x=y\n",
            b"6 xyz\n",
            b"5 =y\n",
            b"x",
            b"99999999999999999999999 x=y\n",
        ] {
            assert!(read(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn times_have_signs_and_fractions() {
        let of = |text: &str| time(text.as_bytes()).map(|t| (t.tv_sec, t.tv_nsec));
        assert_eq!(of("1350244992.023960108"), Some((1_350_244_992, 23_960_108)));
        assert_eq!(of("5"), Some((5, 0)));
        assert_eq!(of("5.1234567891"), Some((5, 123_456_789)));
        assert_eq!(of("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(of("-3"), Some((-3, 0)));
        for bad in ["", "-", "1e3", "1.x", "--1", "99999999999999999999"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
