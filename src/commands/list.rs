//! `soute list`

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::cli::targets::{self, Target};
use super::run::traces;
use crate::error::{Exit, Result};
use crate::health::Status;
use crate::image::store::Verified;
use crate::inventory::{Entry, Inventory};
use crate::output::table::Table;
use crate::output::{amount, json, stdout};
use crate::settings::Host;
use crate::systemd::Manager;

/// Lists running containers, and brings the instances file up to date.
#[derive(Debug, Args)]
pub struct List {
    /// These alone: groups, containers, definitions with replicas, or directories that `soute up` was given.
    #[arg(value_name = "GROUP|NAME|DIR")]
    targets: Vec<Target>,
    /// Also those that do not run, and disks without a definition.
    #[arg(short, long)]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Only those with this label, or with this value of it.
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Option<String>,
    /// Names alone, one a line.
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    containers: Vec<Row<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row<'a> {
    name: &'a str,
    image: &'a str,
    state: &'a str,
    health: Option<&'a str>,
    since: Option<&'a str>,
    boot: &'a str,
    memory: Option<u64>,
    addresses: &'a [String],
    ports: &'a [String],
    pid: Option<i32>,
    changed: bool,
    weakened: &'a [String],
    invalid: bool,
    orphan: bool,
    labels: &'a BTreeMap<String, String>,
    last_exit: Option<&'a str>,
    verified: Option<Verified>,
}

impl List {
    /// One D-Bus call, and files.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        traces::sweep(host, &manager);
        let inventory = Inventory::take(host, &manager, self.all)?;
        match inventory.write_instances(host) {
            // Whoever may not write it may still look.
            Err(error) if error.exit() == Exit::NotPermitted => {}
            written => written?,
        }
        let named = targets::resolve(host, &self.targets)?;
        let meant = |entry: &&Entry| self.targets.is_empty() || named.iter().any(|name| **name == *entry.name);
        let shown = |entry: &&Entry| (self.all || entry.is_there()) && self.labelled(entry) && meant(entry);
        let entries: Vec<_> = inventory.entries.iter().filter(shown).collect();
        let text = match (self.json, self.quiet) {
            (true, _) => json::document(&Document { containers: entries.into_iter().map(row).collect() })?,
            (_, true) => entries.iter().map(|entry| format!("{}\n", entry.name)).collect(),
            _ => table(&entries),
        };
        stdout::write(&text).map(|()| ExitCode::SUCCESS)
    }

    fn labelled(&self, entry: &Entry) -> bool {
        let Some(label) = &self.label else { return true };
        match label.split_once('=') {
            Some((key, value)) => entry.labels.get(key).is_some_and(|own| own == value),
            None => entry.labels.contains_key(label),
        }
    }
}

fn row(entry: &Entry) -> Row<'_> {
    Row {
        name: &entry.name,
        image: &entry.image,
        state: entry.state,
        health: entry.health.map(Status::as_str),
        since: entry.instance.as_ref().map(|instance| instance.started.as_str()),
        boot: entry.boot.as_str(),
        memory: entry.memory,
        addresses: &entry.addresses,
        ports: &entry.ports,
        pid: entry.instance.as_ref().map(|instance| instance.pid),
        changed: entry.changed,
        weakened: &entry.weakened,
        invalid: entry.invalid,
        orphan: entry.orphan,
        labels: &entry.labels,
        last_exit: entry.last_exit.as_deref(),
        verified: entry.verified,
    }
}

fn table(entries: &[&Entry]) -> String {
    const HEADINGS: [&str; 7] = ["NAME", "IMAGE", "STATE", "SINCE", "BOOT", "MEMORY", "ADDRESS"];
    let cells = |entry: &Entry| {
        [
            entry.name.clone(),
            entry.image.clone(),
            state(entry),
            entry.running_time().map(ago).unwrap_or_default(),
            entry.boot.as_str().to_owned(),
            entry.memory.map(amount::bytes).unwrap_or_default(),
            entry.addresses.join(","),
        ]
    };
    // Few hosts publish anything.
    if entries.iter().all(|entry| entry.ports.is_empty()) {
        let mut table = Table::new(HEADINGS);
        entries.iter().for_each(|entry| table.row(cells(entry)));
        return table.to_string();
    }
    let [name, image, state, since, boot, memory, address] = HEADINGS;
    let mut table = Table::new([name, image, state, since, boot, memory, address, "PORTS"]);
    for entry in entries {
        let [name, image, state, since, boot, memory, address] = cells(entry);
        table.row([name, image, state, since, boot, memory, address, entry.ports.join(",")]);
    }
    table.to_string()
}

/// The state, and what a user should know besides.
fn state(entry: &Entry) -> String {
    let unverified = entry.verified == Some(Verified::No);
    let marks = [
        (entry.changed, "changed"),
        (entry.invalid, "invalid"),
        (!entry.weakened.is_empty(), "weakened"),
        (entry.orphan, "orphan"),
    ];
    let marks = marks.into_iter().chain([(unverified, "unverified")]);
    let marks = marks.filter(|(is, _)| *is).map(|(_, mark)| mark);
    let health = entry.health.map(Status::as_str);
    std::iter::once(entry.state)
        .chain(health)
        .chain(entry.last_exit.as_deref())
        .chain(marks)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The two largest units, as systemctl has them: "2h 5min", "3 days 1h".
fn ago(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}min {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}min"),
        (1, _, _) => format!("1 day {hours}h"),
        _ => format!("{days} days {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_times_have_two_units() {
        let shown = [
            (0, "0s"),
            (59, "59s"),
            (61, "1min 1s"),
            (7500, "2h 5min"),
            (90_000, "1 day 1h"),
            (900_000, "10 days 10h"),
        ];
        for (seconds, text) in shown {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }
}
