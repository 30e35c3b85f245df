//! Lines into entries of the journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).

/// The MESSAGE_ID= of what soute itself says of a container; SOUTE_EVENT= is what it is about.
pub const EVENT_ID: &str = "38e73227a16c43c38e80fb2c713afb70";

/// Whose lines they are.
#[derive(Debug)]
pub struct Origin {
    /// `soute@web.service`.
    pub unit: String,
    /// The payload, alive.
    pub pid: Option<u32>,
    /// What stands before each line in `journalctl`.
    pub identifier: String,
}

impl Origin {
    /// The fields that every entry has.
    pub fn header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        field(&mut header, "SYSLOG_IDENTIFIER", self.identifier.as_bytes());
        // LOG_DAEMON, as lines on standard output have.
        field(&mut header, "SYSLOG_FACILITY", b"3");
        // `journalctl -u` asks for this field where the sender is root. From OBJECT_PID journald derives it too, and
        // command and cgroup besides, but of a payload that has died nothing.
        field(&mut header, "OBJECT_SYSTEMD_UNIT", self.unit.as_bytes());
        if let Some(pid) = self.pid {
            field(&mut header, "OBJECT_PID", pid.to_string().as_bytes());
        }
        header
    }
}

/// Fields by which an entry is found as an event.
pub fn event(header: &mut Vec<u8>, what: &str) {
    field(header, "MESSAGE_ID", EVENT_ID.as_bytes());
    field(header, "SOUTE_EVENT", what.as_bytes());
}

/// One entry; none for an empty line, which journald does not keep either.
pub fn entry(header: &[u8], line: &[u8]) -> Option<Vec<u8>> {
    let (priority, text) = priority(line.trim_ascii_end());
    if text.is_empty() {
        return None;
    }
    let mut entry = Vec::with_capacity(header.len() + text.len() + 64);
    entry.extend_from_slice(header);
    field(&mut entry, "PRIORITY", &[priority]);
    field(&mut entry, "MESSAGE", text);
    Some(entry)
}

/// "<3>text" is an error, as sd-daemon(3) has it and standard output understands it; what has no prefix is info.
fn priority(line: &[u8]) -> (u8, &[u8]) {
    match line {
        [b'<', priority @ b'0'..=b'7', b'>', text @ ..] => (*priority, text),
        _ => (b'6', line),
    }
}

/// A field in the form that carries any byte: name, length, value.
fn field(entry: &mut Vec<u8>, name: &str, value: &[u8]) {
    entry.extend_from_slice(name.as_bytes());
    entry.push(b'\n');
    entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_fits() {
        let entry = entry(b"", b"a\nB=c\xff\0\r").unwrap();
        assert_eq!(entry, b"PRIORITY\n\x01\0\0\0\0\0\0\x006\nMESSAGE\n\x07\0\0\0\0\0\0\0a\nB=c\xff\0\n");
    }

    #[test]
    fn priorities_and_empty_lines() {
        assert_eq!(priority(b"<3>bad"), (b'3', &b"bad"[..]));
        assert_eq!(priority(b"<9>x"), (b'6', &b"<9>x"[..]));
        assert_eq!(entry(b"", b" \t\r"), None);
        assert_eq!(entry(b"", b"<3>"), None);
    }

    #[test]
    fn a_dead_payload_is_not_named() {
        let mut origin = Origin { unit: "soute@web.service".into(), pid: None, identifier: "web".into() };
        let has = |header: Vec<u8>, needle: &[u8]| header.windows(needle.len()).any(|part| part == needle);
        assert!(!has(origin.header(), b"OBJECT_PID"));
        assert!(has(origin.header(), b"soute@web.service"));
        origin.pid = Some(42);
        assert!(has(origin.header(), b"OBJECT_PID\n\x02\0\0\0\0\0\0\x0042\n"));
    }
}
