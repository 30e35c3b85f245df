//! SHA256SUMS, as sha256sum(1) writes it.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::image::oci::digest::{Digest, is_hex};

/// The digest of a file by its name.
pub fn find(sums: &str, name: &str) -> Result<Digest> {
    let plain = percent_decoded(name);
    let mut found = BTreeSet::new();
    for line in sums.lines() {
        let Some((hex, rest)) = line.split_at_checked(64) else { continue };
        let file = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *")).map(str::trim_end);
        let file = file.map(|file| file.strip_prefix("./").unwrap_or(file));
        if is_hex(hex) && file.is_some_and(|file| file == name || Some(file) == plain.as_deref()) {
            found.insert(hex);
        }
    }
    match (found.pop_first(), found.pop_first()) {
        (Some(hex), None) => format!("sha256:{hex}").parse().map_err(Error::failed),
        (None, _) => Err(Error::failed(format!("it has no {name}"))),
        (Some(_), Some(_)) => Err(Error::failed(format!("it has {name} twice, and not the same"))),
    }
}

fn percent_decoded(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_it_is_written() {
        let [a, b, c] = ["a", "b", "c"].map(|digit| digit.repeat(64));
        let sums = format!(
            "# a comment\n{a}  a.tar\n{b} *./b c.tar\n{c}  dir/c.tar\nshort  d.tar\n{}  e.tar\n",
            "G".repeat(64)
        );
        let hex = |name: &str| find(&sums, name).map(|digest| digest.hex().to_owned()).ok();
        assert_eq!(hex("a.tar"), Some(a.clone()));
        assert_eq!(hex("b%20c.tar"), Some(b.clone()));
        for none in ["c.tar", "d.tar", "e.tar", "a", "", "A.tar"] {
            assert_eq!(hex(none), None, "{none}");
        }
        assert!(find(&format!("{a}  x\n{b}  x\n"), "x").unwrap_err().to_string().contains("twice"));
        assert_eq!(find(&format!("{a}  x\r\n{a}  x\n"), "x").unwrap().hex(), a);
        find(&format!("{}é", "a".repeat(63)), "x").unwrap_err();
    }
}
