//! Keys of the kernel: put into keyrings of the caller's, and looked for there by name, and anywhere by number.

use std::ffi::CString;

use crate::Report;
use crate::sys::{Errno, call, name, number, text};

/// Numbers that mean the caller's own.
const RINGS: [(&str, isize); 3] = [("session", -3), ("user", -4), ("user-session", -5)];

/// Puts a key into one of them, the session's being a new one; the line has its number.
pub fn put(ring: &str, key: &str, report: &mut Report) {
    const JOIN_SESSION_KEYRING: usize = 1;
    let made = || -> Result<usize, Errno> {
        if ring == "session" {
            call(number("keyctl"), [JOIN_SESSION_KEYRING, 0])?;
        }
        let (_, id) = RINGS.iter().find(|(known, _)| *known == ring).expect("a keyring");
        let key = CString::new(key).expect("no zero byte");
        call(number("add_key"), [text(c"user"), text(&key), text(c"word"), 4, id.cast_unsigned()])
    };
    report.line(&format!("key.{ring}"), made().map_or_else(name, |key| key.to_string()));
}

/// By its name in every keyring of the caller's, and as the kernel looks for one; or by its number, whosever it is.
pub fn find(key: &str, report: &mut Report) {
    const DESCRIBE: usize = 6;
    const SEARCH: usize = 10;
    const READ: usize = 11;
    let done = |result: Result<usize, Errno>| result.map_or_else(name, |_| "done".to_owned());
    if let Ok(id) = key.parse::<usize>() {
        report.line("find.describe", done(call(number("keyctl"), [DESCRIBE, id, 0, 0])));
        report.line("find.read", done(call(number("keyctl"), [READ, id, 0, 0])));
        return;
    }
    let key = CString::new(key).expect("no zero byte");
    for (ring, id) in RINGS {
        let found = call(number("keyctl"), [SEARCH, id.cast_unsigned(), text(c"user"), text(&key), 0]);
        report.line(&format!("find.{ring}"), done(found));
    }
    report.line("find.request", done(call(number("request_key"), [text(c"user"), text(&key), 0, 0])));
}
