//! Unit names as D-Bus object paths.

use std::fmt::Write;

/// The object of a unit: every byte but ASCII letters and digits becomes `_xx` (sd_bus_path_encode(3)).
pub(super) fn unit_path(name: &str) -> String {
    let mut path = String::from("/org/freedesktop/systemd1/unit/");
    for (index, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && index > 0) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "_{byte:02x}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::unit_path;

    #[test]
    fn everything_but_letters_and_digits_is_escaped() {
        assert_eq!(unit_path("soute@web-1.service"), "/org/freedesktop/systemd1/unit/soute_40web_2d1_2eservice");
        assert_eq!(unit_path("1a.slice"), "/org/freedesktop/systemd1/unit/_31a_2eslice");
    }
}
