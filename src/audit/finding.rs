//! One line of an audit.

use serde::Serialize;

/// What is to be said of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As safe as by default, or safer.
    Ok,
    /// Weaker than the default, and the definition says so.
    Weaker,
    /// Weaker than the definition says.
    Wrong,
    /// Worth knowing, no weakness by itself.
    Note,
    /// The kernel does not tell.
    Unknown,
}

impl Verdict {
    /// The word in the table: what needs somebody's attention is in capitals.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Weaker => "weaker",
            Self::Wrong => "WRONG",
            Self::Note => "note",
            Self::Unknown => "unknown",
        }
    }
}

/// A fact and its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// What was looked at: "namespace user", "capabilities of 4711 (sh)".
    pub what: String,
    /// What was found.
    pub found: String,
    /// The key of the definition that declares a weakness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What there should be, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

impl Finding {
    fn new(verdict: Verdict, what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { verdict, what: what.into(), found: found.into(), key: None, expected: None }
    }

    /// As it should be.
    pub fn ok(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, what, found)
    }

    /// Weaker than the default, by this key of the definition.
    pub fn weaker(what: impl Into<String>, found: impl Into<String>, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::new(Verdict::Weaker, what, found) }
    }

    /// Weaker than declared.
    pub fn wrong(what: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), ..Self::new(Verdict::Wrong, what, found) }
    }

    /// Neither good nor bad.
    pub fn note(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Verdict::Note, what, found)
    }

    /// Not to be found out.
    pub fn unknown(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, what, why)
    }

    /// The last column of the table.
    pub fn text(&self) -> String {
        match (&self.key, &self.expected) {
            (Some(key), _) => format!("{}, as the definition says: {key}", self.found),
            (None, Some(expected)) => format!("{}; expected: {expected}", self.found),
            (None, None) => self.found.clone(),
        }
    }
}
