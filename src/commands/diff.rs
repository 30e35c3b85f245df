//! `soute diff`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::live::current::{self, Current};
use super::live::site::Site;
use super::report;
use super::targets::Target;
use crate::change::Change;
use crate::error::Result;
use crate::output::table::Table;
use crate::output::{json, stdout};
use crate::settings::Host;
use crate::systemd::Manager;

/// Shows what stands between the definitions and what runs.
#[derive(Debug, Args)]
pub struct Diff {
    /// Containers, definitions with replicas, groups, or directories that `soute up` was given; all that run.
    #[arg(value_name = "NAME|GROUP|DIR")]
    targets: Vec<Target>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    containers: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    changes: &'a [Change],
}

impl Diff {
    /// Exit status 7 where something differs.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        let _kept = manager.keep();
        let site = Site::new(host, &manager)?;
        let (names, mut errors) = site.running(&manager, &self.targets)?;
        let (mut list, more) = current::look_at(&site, &manager, &names);
        errors.extend(more);
        Current::add_drift(&mut list, &manager, false)?;
        errors.iter().for_each(report);
        print(&list, self.json)?;
        let differs = list.iter().any(|current| !current.changes.is_empty());
        Ok(ExitCode::from(current::exit(&errors, differs)))
    }
}

/// Nothing where nothing differs.
pub fn print(list: &[Current], as_json: bool) -> Result<()> {
    if as_json {
        let entry = |current: &'_ Current| (current.name.to_string(), current.changes.clone());
        let entries: Vec<_> = list.iter().map(entry).collect();
        let containers = entries.iter().map(|(name, changes)| Entry { name, changes }).collect();
        return stdout::write(&json::document(&Document { containers })?);
    }
    if list.iter().all(|current| current.changes.is_empty()) {
        return Ok(());
    }
    stdout::write(&table(list).to_string())
}

/// A line each.
pub fn table(list: &[Current]) -> Table {
    let mut table = Table::new(["NAME", "FIELD", "NEEDS", "OLD", "NEW", "FROM"]);
    for current in list {
        for change in &current.changes {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            table.row([
                current.name.to_string(),
                change.field.clone(),
                change.class.as_str().to_owned(),
                text(&change.old),
                text(&change.new),
                text(&change.from),
            ]);
        }
    }
    table
}
