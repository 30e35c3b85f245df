//! What is wrong with a definition, and where; many at once.

use std::fmt;

use super::source::Origin;
use super::types::Refused;
use crate::error::{Error, Exit};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing starts with it.
    Error,
    /// It works, and the user should know.
    Warning,
}

/// One fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Whether anything can be started with it.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The key, such as `network[0].address`; empty if it is none.
    pub path: String,
    /// Where it is written; none for what no text says.
    pub origin: Option<Origin>,
    /// Other places that have to do with it, and what they are.
    pub related: Vec<(Origin, String)>,
}

impl Fault {
    /// An error at a place.
    pub fn new(message: impl Into<String>, origin: Option<Origin>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            help: None,
            path: String::new(),
            origin,
            related: Vec::new(),
        }
    }

    /// What to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    pub(crate) fn related(mut self, origin: Option<Origin>, label: impl Into<String>) -> Self {
        self.related.extend(origin.map(|origin| (origin, label.into())));
        self
    }
}

/// A value's fault, of which the place is not known here.
impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self { help: refused.help, ..Self::new(refused.message, None) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&super::types::escaped(&self.message))
    }
}

/// All faults that were found, in the order of the text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Whether one of them keeps the container from starting.
    pub fn fatal(&self) -> bool {
        self.0.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// The errors without the warnings.
    pub fn errors(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter().filter(|fault| fault.severity == Severity::Error)
    }

    /// By layer, file and line, so that the user reads the file once from top to bottom.
    pub(crate) fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            let place = |fault: &Fault| {
                fault.origin.as_ref().map(|at| (at.source.layer, at.source.name.clone(), at.span().start))
            };
            place(a).cmp(&place(b))
        });
        self.0.dedup();
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.errors().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Where there is no room for lines of source: all errors in one message.
impl From<Faults> for Error {
    fn from(faults: Faults) -> Self {
        Error::new(Exit::Invalid, faults)
    }
}
