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

/// The unit of an object; none if it is no unit's.
pub(super) fn unit_of(path: &str) -> Option<String> {
    let mut escaped = path.strip_prefix("/org/freedesktop/systemd1/unit/")?;
    let mut name = Vec::new();
    while let Some((&first, _)) = escaped.as_bytes().split_first() {
        let (byte, length) = match first {
            b'_' => (u8::from_str_radix(escaped.get(1..3)?, 16).ok()?, 3),
            byte => (byte, 1),
        };
        name.push(byte);
        escaped = escaped.get(length..)?;
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use super::{unit_of, unit_path};

    #[test]
    fn a_path_leads_back_to_its_unit() {
        for unit in ["soute@web-1.service", "1a.slice", "soute-health@db.timer"] {
            assert_eq!(unit_of(&unit_path(unit)).as_deref(), Some(unit));
        }
        for path in [
            "/org/freedesktop/systemd1/job/7",
            "/org/freedesktop/systemd1/unit/a_4",
            "/org/freedesktop/systemd1/unit/_zz",
        ] {
            assert_eq!(unit_of(path), None);
        }
    }

    #[test]
    fn everything_but_letters_and_digits_is_escaped() {
        assert_eq!(unit_path("soute@web-1.service"), "/org/freedesktop/systemd1/unit/soute_40web_2d1_2eservice");
        assert_eq!(unit_path("1a.slice"), "/org/freedesktop/systemd1/unit/_31a_2eslice");
    }
}
