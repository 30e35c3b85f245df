//! Strings that may reach a unit, a file or a terminal.

use std::fmt;
use std::ops::Deref;

use super::scalar::{Refused, Scalar, scalar};

/// A string without control characters. PID 1 writes most string properties into the transient unit file escaping only
/// `%`: on systemd 252 a line break in Description= became a directive of its own at the next daemon-reload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(String);

impl Text {
    /// The string itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The string itself, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// A string that becomes one line of a unit file, as it is: PID 1 quotes nothing in Description=, SyslogIdentifier= and the
/// like, so that after a daemon-reload a final backslash takes the next directive into it (252 and 257), and blanks at
/// its ends are gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnitText(Text);

impl UnitText {
    /// The string itself.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Why a string cannot be the value of a directive.
pub(crate) fn refuse_in_unit(text: &str) -> Result<(), Refused> {
    if text.ends_with('\\') {
        return Err(Refused::new("a backslash at the end would take the next line of the unit with it"));
    }
    if text.trim() != text {
        return Err(Refused::new("blanks at the ends do not last: systemd takes them away"));
    }
    Ok(())
}

impl Scalar for UnitText {
    const EXPECTED: &'static str = Text::EXPECTED;

    fn text(text: &str) -> Result<Self, Refused> {
        refuse_in_unit(text)?;
        Text::text(text).map(Self)
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Text::integer(value).map(Self)
    }

    fn number(value: f64) -> Result<Self, Refused> {
        Text::number(value).map(Self)
    }
}

impl Deref for UnitText {
    type Target = str;
    fn deref(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for UnitText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

scalar!(UnitText, { "type": "string" });

impl Scalar for Text {
    const EXPECTED: &'static str = "a string";

    fn text(text: &str) -> Result<Self, Refused> {
        refuse_controls(text)?;
        Ok(Self(text.to_owned()))
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Err(Refused::new(format!("{value} is a number, expected a string")).help(format!("write \"{value}\"")))
    }

    fn number(value: f64) -> Result<Self, Refused> {
        Err(Refused::new(format!("{value} is a number, expected a string")).help(format!("write \"{value}\"")))
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(Text, { "type": "string" });

/// What a terminal or a unit file would obey instead of show: C0, DEL, C1, line and paragraph separators, bidi controls.
pub(super) fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

pub(super) fn refuse_controls(text: &str) -> Result<(), Refused> {
    match text.chars().find(|&c| is_control(c)) {
        Some(c) => Err(Refused::new(format!("the string contains the control character U+{:04X}", u32::from(c)))
            .help("strings that reach a unit, a file or a terminal refuse control characters")),
        None => Ok(()),
    }
}

/// `text` with everything that a terminal would obey written as `\u{…}`.
pub fn escaped(text: &str) -> String {
    text.chars().map(|c| if is_control(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}
