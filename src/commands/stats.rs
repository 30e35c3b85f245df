//! `soute stats`

use std::cmp::Ordering;
use std::fmt::Write;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use super::cli::targets::{self, Target};
use super::{must_run, report};
use crate::definition::types::Name;
use crate::error::Result;
use crate::inventory::sample::{Meter, Sample};
use crate::output::table::Table;
use crate::output::{amount, json, stdout};
use crate::settings::Host;
use crate::systemd::Manager;

/// Shows what running containers use.
#[derive(Debug, Args)]
pub struct Stats {
    /// Containers, definitions with replicas, groups, or directories that `soute up` was given; all that run.
    #[arg(value_name = "NAME|GROUP|DIR")]
    targets: Vec<Target>,
    /// Again and again, until interrupted.
    #[arg(short, long)]
    watch: bool,
    /// What the rows are in the order of: names from a on, all else from the most on.
    #[arg(short, long, value_enum, default_value_t, value_name = "COLUMN")]
    sort: Sort,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", value_parser = interval)]
    interval: f64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print counters as the text format of Prometheus, for a file that its node exporter collects.
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    prometheus: bool,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Sort {
    Name,
    #[default]
    Cpu,
    Memory,
    Tasks,
    Read,
    Write,
    Received,
    Sent,
    Pressure,
}

impl Sort {
    /// What is not counted is least.
    fn order(self, a: &Row, b: &Row) -> Ordering {
        let value = |row: &Row| match self {
            Self::Name => None,
            Self::Cpu => row.cpu,
            Self::Memory => row.now.memory.map(|bytes| bytes as f64),
            Self::Tasks => row.now.tasks.map(|tasks| tasks as f64),
            Self::Read => row.read,
            Self::Write => row.write,
            Self::Received => row.receive,
            Self::Sent => row.transmit,
            Self::Pressure => {
                let all = [row.now.pressure_cpu, row.now.pressure_memory, row.now.pressure_io];
                all.into_iter().flatten().max_by(f64::total_cmp)
            }
        };
        let (least, by_name) = (f64::NEG_INFINITY, a.now.name.cmp(&b.now.name));
        value(b).unwrap_or(least).total_cmp(&value(a).unwrap_or(least)).then(by_name)
    }
}

fn interval(typed: &str) -> Result<f64, String> {
    match typed.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds from 0.1 to 3600".to_owned()),
    }
}

/// What was used between two looks.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    #[serde(flatten)]
    now: Sample,
    /// Percent of one CPU.
    cpu: Option<f64>,
    /// Bytes a second.
    read: Option<f64>,
    write: Option<f64>,
    receive: Option<f64>,
    transmit: Option<f64>,
}

#[derive(Serialize)]
struct Document {
    containers: Vec<Row>,
}

impl Stats {
    /// Rates take two looks.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let mut status = ExitCode::SUCCESS;
        let names = targets::resolve(host, &self.targets)?;
        if !names.is_empty() {
            let manager = Manager::connect()?;
            for error in names.iter().filter_map(|name| must_run(host, &manager, name).err()) {
                report(&error);
                status = ExitCode::from(error.exit() as u8);
            }
        }
        let mut before = self.look(host, &names)?;
        if self.prometheus {
            return stdout::write(&prometheus(&before)).map(|()| status);
        }
        loop {
            std::thread::sleep(Duration::from_secs_f64(self.interval));
            let now = self.look(host, &names)?;
            let mut rows: Vec<Row> = now.iter().filter_map(|now| Row::between(&before, now)).collect();
            rows.sort_by(|a, b| self.sort.order(a, b));
            let text = match self.json {
                true => json::document(&Document { containers: rows })?,
                false if self.watch && std::io::stdout().is_terminal() => page(&table(&rows)),
                false => table(&rows),
            };
            stdout::write(&text)?;
            if !self.watch || stdout::is_over() {
                return Ok(status);
            }
            before = now;
        }
    }

    /// Who runs may change from one look to the next.
    fn look(&self, host: &Host, names: &[Name]) -> Result<Vec<Sample>> {
        let names: Vec<String> = match self.targets.is_empty() {
            true => {
                let units = Manager::connect()?.list("soute@*.service")?;
                let name = |unit: &str| Some(unit.strip_prefix("soute@")?.strip_suffix(".service")?.to_owned());
                units.iter().filter_map(|unit| name(&unit.name)).collect()
            }
            false => names.iter().map(ToString::to_string).collect(),
        };
        Ok(names.iter().filter_map(|name| Meter::of(host, name)?.read()).collect())
    }
}

impl Row {
    /// None for one that was not there before, or has been started again: its counters begin anew.
    fn between(before: &[Sample], now: &Sample) -> Option<Self> {
        let old = before.iter().find(|old| old.name == now.name)?;
        let seconds = now.at.duration_since(old.at).as_secs_f64();
        let rate = |old: Option<u64>, now: Option<u64>| Some(now?.checked_sub(old?)? as f64 / seconds);
        Some(Self {
            cpu: rate(old.cpu_usec, now.cpu_usec).map(|micros| micros / 10_000.0),
            read: rate(old.read_bytes, now.read_bytes),
            write: rate(old.write_bytes, now.write_bytes),
            receive: rate(old.receive_bytes, now.receive_bytes),
            transmit: rate(old.transmit_bytes, now.transmit_bytes),
            now: now.clone(),
        })
    }
}

/// As watch(1): from the top, over what was there, and no more than there is room for.
fn page(table: &str) -> String {
    let lines = tcgetwinsize(rustix::stdio::stdout()).map_or(u16::MAX, |size| size.ws_row.max(2));
    let shown: Vec<&str> = table.lines().take(usize::from(lines) - 1).collect();
    format!("\x1b[H\x1b[J{}\n", shown.join("\n"))
}

fn table(rows: &[Row]) -> String {
    let mut table =
        Table::new(["NAME", "CPU", "MEMORY", "TASKS", "READ/S", "WRITE/S", "RECEIVED/S", "SENT/S", "PRESSURE"]);
    for row in rows {
        let now = &row.now;
        let bytes = |rate: Option<f64>| rate.map(|rate| amount::bytes(rate as u64)).unwrap_or_default();
        let of = |used: Option<String>, limit: Option<String>| match (used, limit) {
            (Some(used), Some(limit)) => format!("{used} of {limit}"),
            (used, _) => used.unwrap_or_default(),
        };
        let pressure = [now.pressure_cpu, now.pressure_memory, now.pressure_io];
        let pressure: Vec<_> =
            pressure.iter().map(|one| one.map_or("-".to_owned(), |one| format!("{one:.0}%"))).collect();
        table.row([
            now.name.clone(),
            row.cpu.map(|percent| format!("{percent:.1}%")).unwrap_or_default(),
            of(now.memory.map(amount::bytes), now.memory_max.map(amount::bytes)),
            of(now.tasks.map(|n| n.to_string()), now.tasks_max.map(|n| n.to_string())),
            bytes(row.read),
            bytes(row.write),
            bytes(row.receive),
            bytes(row.transmit),
            pressure.join(" "),
        ]);
    }
    table.to_string()
}

/// See <https://prometheus.io/docs/instrumenting/exposition_formats/>. Names of containers need no escapes.
fn prometheus(samples: &[Sample]) -> String {
    type Value = fn(&Sample) -> Option<f64>;
    let metrics: [(&str, &str, &str, Value); 11] = [
        ("cpu_seconds_total", "counter", "CPU time", |s| s.cpu_usec.map(|micros| micros as f64 / 1e6)),
        ("memory_bytes", "gauge", "memory in use", |s| s.memory.map(|n| n as f64)),
        ("memory_limit_bytes", "gauge", "limit of memory", |s| s.memory_max.map(|n| n as f64)),
        ("tasks", "gauge", "processes and threads", |s| s.tasks.map(|n| n as f64)),
        ("read_bytes_total", "counter", "read from disks", |s| s.read_bytes.map(|n| n as f64)),
        ("write_bytes_total", "counter", "written to disks", |s| s.write_bytes.map(|n| n as f64)),
        ("receive_bytes_total", "counter", "received over links", |s| s.receive_bytes.map(|n| n as f64)),
        ("transmit_bytes_total", "counter", "sent over links", |s| s.transmit_bytes.map(|n| n as f64)),
        ("pressure_cpu_percent", "gauge", "of ten seconds, waited for a CPU", |s| s.pressure_cpu),
        ("pressure_memory_percent", "gauge", "of ten seconds, waited for memory", |s| s.pressure_memory),
        ("pressure_io_percent", "gauge", "of ten seconds, waited for I/O", |s| s.pressure_io),
    ];
    let mut text = String::new();
    for (name, kind, help, value) in metrics {
        let found: Vec<_> = samples.iter().filter_map(|sample| Some((&sample.name, value(sample)?))).collect();
        if found.is_empty() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP soute_{name} Containers: {help}.\n# TYPE soute_{name} {kind}");
        for (container, value) in found {
            let _ = writeln!(text, "soute_{name}{{name=\"{container}\"}} {value}");
        }
    }
    text
}
