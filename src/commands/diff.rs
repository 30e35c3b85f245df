//! `soute diff`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::cli::targets::Target;
use super::live::current::{self, Current};
use super::live::site::Site;
use super::live::slices::{self, Slice};
use super::report;
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
    groups: Vec<Entry<'a>>,
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
        let (slices, more) = slices::look_at(site.known(), &manager, &list);
        errors.extend(more);
        errors.iter().for_each(report);
        print(&list, &slices, self.json)?;
        let differs = differs(&list, &slices);
        Ok(ExitCode::from(current::exit(&errors, differs)))
    }
}

/// Whether anything does.
pub fn differs(list: &[Current], slices: &[Slice]) -> bool {
    list.iter().any(|current| !current.changes.is_empty()) || slices.iter().any(|slice| !slice.changes.is_empty())
}

/// Nothing where nothing differs.
pub fn print(list: &[Current], slices: &[Slice], as_json: bool) -> Result<()> {
    if as_json {
        let containers = list.iter().map(|current| Entry { name: &current.name, changes: &current.changes }).collect();
        let groups = slices.iter().map(|slice| Entry { name: &slice.group, changes: &slice.changes }).collect();
        return stdout::write(&json::document(&Document { containers, groups })?);
    }
    if !differs(list, slices) {
        return Ok(());
    }
    stdout::write(&table(list, slices).to_string())
}

/// A line each.
fn table(list: &[Current], slices: &[Slice]) -> Table {
    let mut table = Table::new(["NAME", "FIELD", "NEEDS", "OLD", "NEW", "FROM"]);
    let containers = list.iter().map(|current| (current.name.to_string(), &current.changes));
    let groups = slices.iter().map(|slice| (slice.unit.name.clone(), &slice.changes));
    for (name, changes) in groups.chain(containers) {
        for change in changes {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            table.row([
                name.clone(),
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
