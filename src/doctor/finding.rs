//! One line of what the doctor says.

use serde::Serialize;

use crate::definition::types::escaped;
use crate::output::table::Table;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// As it should be.
    Ok,
    /// Something works less well, or not for many.
    Warning,
    /// Containers do not start, or not as their definitions say.
    Problem,
}

/// What was looked at, and what there is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad.
    pub grade: Grade,
    /// What was looked at.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What the administrator can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(what: &str, found: impl Into<String>) -> Self {
        Self { grade: Grade::Ok, what: what.to_owned(), found: found.into(), fix: None }
    }

    /// Worth a look.
    pub fn warning(what: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { grade: Grade::Warning, what: what.to_owned(), found: found.into(), fix: Some(fix.into()) }
    }

    /// To be repaired.
    pub fn problem(what: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { grade: Grade::Problem, ..Self::warning(what, found, fix) }
    }
}

/// How many are of that grade.
pub fn count(findings: &[Finding], grade: Grade) -> usize {
    findings.iter().filter(|finding| finding.grade == grade).count()
}

/// A table with the fix below each line that has one, and a line that sums it up.
pub fn table(findings: &[Finding]) -> String {
    let mut table = Table::new(["STATE", "WHAT", "FOUND"]);
    for finding in findings {
        let word = match finding.grade {
            Grade::Ok => "ok",
            Grade::Warning => "warning",
            Grade::Problem => "PROBLEM",
        };
        table.row([word.to_owned(), finding.what.clone(), finding.found.clone()]);
    }
    let mut text = String::new();
    let fixes = std::iter::once(None).chain(findings.iter().map(|finding| finding.fix.as_ref()));
    for (line, fix) in table.to_string().lines().zip(fixes) {
        text += &format!("{line}\n");
        if let Some(fix) = fix {
            text += &format!("         fix: {}\n", escaped(fix));
        }
    }
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let (problems, warnings) = (count(findings, Grade::Problem), count(findings, Grade::Warning));
    text + &format!("{}, {}; nothing was changed\n", plural(problems, "problem"), plural(warnings, "warning"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_stands_below_what_it_repairs() {
        let list = [Finding::ok("kernel", "6.1"), Finding::warning("firewall", "ufw runs", "ufw allow in on br0")];
        assert_eq!(
            table(&list),
            "STATE    WHAT      FOUND\nok       kernel    6.1\nwarning  firewall  ufw runs\n         fix: ufw allow in on br0\n\
             0 problems, 1 warning; nothing was changed\n"
        );
    }
}
