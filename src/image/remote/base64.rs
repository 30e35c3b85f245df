//! base64, and OpenPGP's armor of it: gpgv takes keys only as bytes.

use crate::error::{Error, Result};

/// Decodes it, blanks and line breaks left out.
pub fn decode(text: &str) -> Result<Vec<u8>> {
    let bad = || Error::failed("it is not base64");
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len() * 3 / 4), 0u32, 0u32);
    let mut letters = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    for letter in letters.by_ref().take_while(|letter| *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(bad()),
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // What is left over after the last byte is less than a letter, and nothing.
    if count >= 6 || bits != 0 || letters.any(|letter| letter != b'=') {
        return Err(bad());
    }
    Ok(bytes)
}

/// Encodes it, in one line.
pub fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = |group: &[u8]| {
        let bits = group.iter().zip([16, 8, 0]).fold(0, |bits, (&byte, shift)| bits | u32::from(byte) << shift);
        let letter = |at: usize| char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]);
        [0, 1, 2, 3].map(|at| if at <= group.len() { letter(at) } else { '=' })
    };
    bytes.chunks(3).flat_map(letters).collect()
}

/// What is in the armor of public keys, all blocks of it; none where there is no armor.
pub fn dearmored(text: &str) -> Result<Option<Vec<u8>>> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
    let mut bytes = None;
    for block in text.split(BEGIN).skip(1) {
        let (block, _) = block.split_once(END).ok_or_else(|| Error::failed("its armor has no end"))?;
        // Headers such as "Comment: x" up to an empty line; a checksum in the end.
        let lines = block.lines().skip(1).map(str::trim).skip_while(|line| line.contains(':'));
        let content: String = lines.filter(|line| !line.starts_with('=')).collect();
        bytes.get_or_insert_with(Vec::new).extend(decode(&content)?);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_become_bytes() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9\nvYg==", "foob"), ("Zm8", "fo")]
        {
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(decode("//79+w==").unwrap(), [255, 254, 253, 251]);
        for bad in ["Z", "Zh==", "Zm9v!", "Zg==Zg", "-_"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn armor_comes_off() {
        let armor =
            |text: &str| format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n{text}\n-----END PGP PUBLIC KEY BLOCK-----\n");
        assert_eq!(dearmored("x").unwrap(), None);
        assert_eq!(dearmored(&armor("\nZm9v\n=abcd")).unwrap().unwrap(), b"foo");
        let two = armor("Version: 1\nComment: x\n\nZm9v\nZm9v\n=abcd") + &armor("\nYg==");
        assert_eq!(dearmored(&two).unwrap().unwrap(), b"foofoob");
        assert!(dearmored("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nZm9v").is_err());
    }
}
