//! An audit for people, and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::finding::{Finding, Verdict};
use crate::output::table::Table;

/// The audit of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The container.
    pub name: String,
    /// Nothing is weaker than declared.
    pub as_declared: bool,
    /// A line each.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of these findings.
    pub fn new(name: &str, findings: Vec<Finding>) -> Self {
        let as_declared = !findings.iter().any(|finding| finding.verdict == Verdict::Wrong);
        Self { name: name.to_owned(), as_declared, findings }
    }

    /// A table, and a line that sums it up.
    pub fn table(&self) -> String {
        let mut table = Table::new(["VERDICT", "WHAT", "FOUND"]);
        for finding in &self.findings {
            table.row([finding.verdict.word().to_owned(), finding.what.clone(), finding.text()]);
        }
        let mut text = table.to_string();
        let count = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        let _ = write!(text, "{}: ", self.name);
        let _ = match (count(Verdict::Wrong), count(Verdict::Weaker)) {
            (0, 0) => writeln!(text, "as safe as by default"),
            (0, weaker) => writeln!(text, "as its definition says, which weakens {weaker}"),
            (wrong, 0) => writeln!(text, "weaker than its definition says: {wrong} WRONG"),
            (wrong, weaker) => {
                writeln!(
                    text,
                    "weaker than its definition says: {wrong} WRONG, besides {weaker} that it weakens itself"
                )
            }
        };
        text
    }
}
