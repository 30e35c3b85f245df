//! The header of a D-Bus message, as far as its sender (D-Bus Specification, "Message Format").

use std::io;

const SENDER: u8 = 7;
/// Byte order, type, flags, version, body length, serial, length of the fields.
const FIXED: usize = 16;

/// Makes the sender in the header of the message at the start of `bytes` look like a unique name, and returns the
/// message's length. None: the header is not complete yet.
pub(super) fn name_sender(bytes: &mut [u8]) -> io::Result<Option<usize>> {
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return Ok(None) };
    let order = match fixed[0] {
        b'l' => u32::from_le_bytes,
        b'B' => u32::from_be_bytes,
        _ => return Err(broken()),
    };
    let number = |bytes: &[u8], at: usize| -> Option<usize> { Some(order(*bytes.get(at..)?.first_chunk()?) as usize) };
    let body = number(fixed, 4).ok_or_else(broken)?;
    let end = FIXED + number(fixed, 12).ok_or_else(broken)?;
    let Some(header) = bytes.get_mut(..end) else { return Ok(None) };
    let mut at = FIXED;
    while at < end {
        // A field: its code, the signature of its variant (which is one letter for all of them), its value.
        let (code, kind) = (header[at], *header.get(at + 2).ok_or_else(broken)?);
        let value = at + 4;
        let length = match kind {
            b's' | b'o' => 4 + number(header, value).ok_or_else(broken)? + 1,
            b'g' => 1 + usize::from(*header.get(value).ok_or_else(broken)?) + 1,
            b'u' => 4,
            _ => return Err(broken()),
        };
        if code == SENDER && kind == b's' {
            *header.get_mut(value + 4).ok_or_else(broken)? = b':';
        }
        at = (value + length).next_multiple_of(8);
    }
    Ok(Some(end.next_multiple_of(8) + body))
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message that is not D-Bus")
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::Message;

    #[test]
    fn the_sender_becomes_a_unique_name_and_nothing_else_changes() {
        // A sender of ours is checked by zbus, so a valid one of the same length stands for systemd's.
        let message = Message::signal("/org/freedesktop/systemd1", "a.B", "C")
            .sender(":rg.freedesktop.systemd1")
            .build(&("text", 7u32))
            .unwrap();
        let proper: Vec<u8> = message.data().to_vec();
        let at = proper.windows(24).position(|window| window == b":rg.freedesktop.systemd1").unwrap();
        let mut bytes = proper.clone();
        bytes[at] = b'o';
        bytes.extend_from_slice(b"next message");
        assert_eq!(name_sender(&mut bytes).unwrap(), Some(proper.len()));
        assert_eq!(bytes[..proper.len()], proper);
    }

    #[test]
    fn an_incomplete_header_asks_for_more() {
        let message = Message::method_call("/", "M").build(&()).unwrap();
        let bytes: Vec<u8> = message.data().to_vec();
        for end in 0..FIXED + usize::from(bytes[12]) {
            assert_eq!(name_sender(&mut bytes[..end].to_vec()).unwrap(), None, "{end} bytes");
        }
    }

    #[test]
    fn rubbish_is_an_error() {
        assert!(name_sender(&mut [0; 32]).is_err());
        let mut bytes = *b"l\x04\x01\x01\0\0\0\0\x01\0\0\0\xff\0\0\0\x07\x01s\0\xff\xff\xff\xff";
        bytes[12] = 8;
        assert!(name_sender(&mut bytes).is_err() || name_sender(&mut bytes).unwrap().is_none());
    }
}
