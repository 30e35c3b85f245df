//! `soute status`

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use clap::Args;

use super::cli::targets;
use super::{logs, must_exist, unit};
use crate::definition::search;
use crate::definition::types::{Name, escaped};
use crate::error::{Exit, Result};
use crate::image::disk::switch::{self, Kept, Pair};
use crate::image::disk::{self, LastExit};
use crate::image::lock::Lock;
use crate::instances::leases;
use crate::inventory;
use crate::inventory::boot::Boot;
use crate::inventory::{Entry, Inventory};
use crate::output::{amount, stdout};
use crate::plan::{self, DiskMode, Plan, Port, Publish};
use crate::settings::Host;
use crate::systemd::{Manager, Properties};

/// Shows everything about a container: definition, unit, disk, links, limits with their use, boot, last exit, log.
#[derive(Debug, Args)]
pub struct Status {
    /// The container, or a definition with replicas.
    name: Name,
    /// How many lines of its log.
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    lines: u32,
}

const PROPERTIES: [&str; 10] = [
    "ActiveState",
    "SubState",
    "MainPID",
    "StatusText",
    "NRestarts",
    "ActiveEnterTimestamp",
    "Result",
    "MemoryMax",
    "TasksMax",
    "CPUQuotaPerSecUSec",
];

impl Status {
    /// As `systemctl status` ends: 0 for a container that runs, 3 for one that does not. Of a definition with replicas one
    /// after the other is shown.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let replicas = targets::replicas(host, &self.name)?.unwrap_or_default();
        if replicas.is_empty() {
            return self.show(host);
        }
        let mut status = ExitCode::SUCCESS;
        for (index, name) in replicas.into_iter().enumerate() {
            stdout::write(if index > 0 { "\n" } else { "" })?;
            let shown = Self { name, lines: self.lines }.show(host)?;
            status = if status == ExitCode::SUCCESS { shown } else { status };
        }
        Ok(status)
    }

    fn show(&self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        let kept = manager.keep();
        must_exist(host, &manager, &self.name)?;
        let inventory = Inventory::of(host, &manager, &self.name)?;
        let Some(entry) = inventory.entries.first() else { return Ok(ExitCode::from(Exit::NotFound as u8)) };
        let properties = manager.properties(&unit(&self.name), &PROPERTIES)?;
        drop(kept);
        let plan = Plan::of(&host.layout, &self.name).ok().map(|plan| leases::leased(&host.layout, plan));
        let mut page = Page::default();
        page.heading(entry, plan.as_ref());
        page.definition(host, &self.name, entry, plan.as_ref())?;
        page.unit(entry, &properties);
        page.disk(host, entry, plan.as_ref())?;
        page.links(plan.as_ref().filter(|_| entry.is_up()));
        page.ports(&published(host, entry, plan.as_ref()));
        page.health(host, entry);
        page.limits(entry, &properties, plan.as_ref());
        page.line("Boot", boot(entry.boot, &self.name));
        page.order(plan.as_ref());
        if let Some(exit) = inventory::permitted(disk::read_exit(&host.layout, &self.name))? {
            let asked = if exit.result == LastExit::STOPPED { "stopped, " } else { "" };
            page.line("Last exit", format!("{asked}{} at {}", inventory::describe(&exit), exit.time));
        }
        stdout::write(&page.0)?;
        if self.lines > 0 {
            self.show_log(host)?;
        }
        Ok(ExitCode::from(if entry.is_up() { 0 } else { Exit::NotRunning as u8 }))
    }

    fn show_log(&self, host: &Host) -> Result<()> {
        let lines = self.lines.to_string();
        let output = logs::journalctl(host, std::slice::from_ref(&self.name))
            .args(["--no-pager", "--quiet", "--lines", &lines])
            .stdin(Stdio::null())
            .output()?;
        // What a payload writes is not for a terminal to obey.
        let text = String::from_utf8_lossy(&output.stdout);
        let shown: String = text.lines().map(|line| escaped(line) + "\n").collect();
        stdout::write(&if shown.is_empty() { String::new() } else { format!("\n{shown}") })
    }
}

/// What is printed, a labelled line each.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, label: &str, text: impl AsRef<str>) {
        if !text.as_ref().is_empty() {
            let _ = writeln!(self.0, "{label:>12}: {}", escaped(text.as_ref()));
        }
    }

    fn heading(&mut self, entry: &Entry, plan: Option<&Plan>) {
        let description = plan.and_then(|plan| match plan.unit.get("Description") {
            Some(crate::plan::Value::Text(text)) if *text != entry.name => Some(text.as_str()),
            _ => None,
        });
        let _ = match description {
            Some(text) => writeln!(self.0, "{} - {}", entry.name, escaped(text)),
            None => writeln!(self.0, "{}", entry.name),
        };
    }

    fn definition(&mut self, host: &Host, name: &Name, entry: &Entry, plan: Option<&Plan>) -> Result<()> {
        let Some(found) = search::find(&host.layout, name)? else {
            let was = plan.map(|plan| plan.definition.as_str()).filter(|was| !was.is_empty());
            let none = if entry.is_up() { "none: a one-off container" } else { "none: only its disk is left" };
            self.line("Definition", was.map_or_else(|| none.to_owned(), |was| format!("gone: {was}")));
            return Ok(());
        };
        let changed = if entry.changed { " (changed since the start: soute diff tells in what)" } else { "" };
        self.line("Definition", format!("{}{changed}", found.main.display()));
        for drop_in in found.drop_ins {
            self.line("Drop-in", drop_in.display().to_string());
        }
        Ok(())
    }

    fn unit(&mut self, entry: &Entry, properties: &Properties) {
        let state = [properties.text("ActiveState"), properties.text("SubState")].join(" ");
        let since = entry.instance.as_ref().map(|instance| format!(" since {}", instance.started)).unwrap_or_default();
        let state = if entry.is_up() { format!(", {state}{since}") } else { format!(", {}", entry.state) };
        self.line("Unit", format!("{}{state}", unit(&entry.name)));
        self.line("Status", properties.text("StatusText"));
        if let Some(instance) = &entry.instance {
            let command = fs::read_to_string(format!("/proc/{}/comm", instance.pid)).unwrap_or_default();
            self.line("Main PID", format!("{} ({})", instance.pid, command.trim_end()));
        }
        if let Some(restarts @ 1..) = properties.number("NRestarts") {
            self.line("Restarts", restarts.to_string());
        }
        self.line("Weakened", entry.weakened.join(", "));
    }

    fn disk(&mut self, host: &Host, entry: &Entry, plan: Option<&Plan>) -> Result<()> {
        let read_only = plan.is_some_and(|plan| plan.disk.mode == DiskMode::ReadOnly);
        let Some(disk) = inventory::permitted(disk::open(&host.layout, &entry.name))? else {
            self.line("Image", &entry.image);
            return Ok(());
        };
        let digest = if disk.record.digest.is_empty() { String::new() } else { format!(" {}", disk.record.digest) };
        self.line("Image", format!("{}{digest}", disk.record.image));
        let path = host.layout.disks().join(&entry.name);
        let made = match (&disk.record.copied, &disk.record.created) {
            _ if read_only => "the image itself, read-only".to_owned(),
            (Some(method), Some(created)) => format!("{} ({method} of {created})", path.display()),
            _ => "not made yet".to_owned(),
        };
        self.line("Disk", made);
        if let Some(kept) = switch::kept(&host.layout, &entry.name)? {
            let since = kept.since.as_ref().map(|since| format!(" until {since}")).unwrap_or_default();
            let path = Kept::path(&host.layout, &entry.name);
            let back = format!("soute rollback {}", entry.name);
            self.line("Kept", format!("{} (a copy of {}, its disk{since}: {back})", path.display(), kept.image()));
        }
        if let Some(cut) = Pair::of(&host.layout, &entry.name)?.cut()? {
            let what = if cut.switched { "a copy of the new image" } else { "still the old one" };
            let held = Lock::update(&host.layout, &entry.name).is_err_and(|error| error.exit() == Exit::Busy);
            let how = if held { "goes on" } else { "was cut off: soute start, or the next update, ends it" };
            self.line("Update", format!("{how}; the disk is {what}"));
        }
        if let Some(first) = disk.record.ids {
            let shifted = if disk.record.shifted { ", written into the files" } else { "" };
            self.line("Ids", format!("{first}-{}{shifted}", first + 65535));
        }
        Ok(())
    }

    fn links(&mut self, plan: Option<&Plan>) {
        for link in plan.into_iter().flat_map(|plan| &plan.links) {
            let addresses: Vec<_> = link.addresses.iter().map(ToString::to_string).collect();
            let lost = link
                .port()
                .filter(|port| !is_plugged(port))
                .map_or("", |_| ", in no bridge: soute apply, or a restart, plugs it in");
            let text = format!("{} {}", link.made(), addresses.join(" "));
            self.line("Link", format!("{}{lost}", text.trim_end()));
        }
    }

    fn ports(&mut self, published: &[Publish]) {
        for port in published {
            self.line("Port", format!("{} ({})", port.shown(), port.socket()));
        }
    }

    fn health(&mut self, host: &Host, entry: &Entry) {
        let state = crate::health::State::read(&host.layout, &entry.name).ok().flatten();
        let Some(state) = state.filter(|_| entry.is_up()) else { return };
        let failures = match state.failures {
            0 if state.last.is_empty() => String::new(),
            0 => format!(", which does not count yet: {}", state.last),
            1 => format!(", 1 failure: {}", state.last),
            failures => format!(", {failures} failures, last: {}", state.last),
        };
        self.line("Health", format!("{}{failures}", state.status.as_str()));
    }

    fn limits(&mut self, entry: &Entry, properties: &Properties, plan: Option<&Plan>) {
        if !entry.is_up() {
            return;
        }
        let limit = |name: &str| properties.number(name).filter(|limit| *limit != u64::MAX);
        let of = |limit: Option<String>| limit.map_or_else(String::new, |limit| format!(" of {limit}"));
        let cgroup = plan.map(Plan::cgroup).unwrap_or_default();
        let read =
            |file: &str| fs::read_to_string(cgroup.join(file)).ok().and_then(|text| text.trim().parse::<u64>().ok());
        if let Some(used) = entry.memory {
            self.line("Memory", format!("{}{}", amount::bytes(used), of(limit("MemoryMax").map(amount::bytes))));
        }
        if let Some(used) = read("pids.current") {
            self.line("Tasks", format!("{used}{}", of(limit("TasksMax").map(|tasks| tasks.to_string()))));
        }
        let seconds = |microseconds: u64| microseconds as f64 / 1e6;
        if let Some(used) = cpu_time(&cgroup) {
            let quota = limit("CPUQuotaPerSecUSec").map(|quota| format!(", at most {:.2} CPUs", seconds(quota)));
            self.line("CPU", format!("{:.3}s{}", seconds(used), quota.unwrap_or_default()));
        }
    }

    fn order(&mut self, plan: Option<&Plan>) {
        let Some(crate::plan::Value::Texts(after)) = plan.and_then(|plan| plan.unit.get("After")) else { return };
        let container = |unit: &String| unit.strip_prefix("soute-up@")?.strip_suffix(".target").map(str::to_owned);
        let names: Vec<_> = after.iter().filter_map(container).collect();
        self.line("After", names.join(", "));
    }
}

/// Microseconds that the processes of a group have had.
fn cpu_time(cgroup: &Path) -> Option<u64> {
    let stat = fs::read_to_string(cgroup.join("cpu.stat")).ok()?;
    stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse().ok())
}

/// Ports that are open: of who does not run, those that start it.
fn published(host: &Host, entry: &Entry, plan: Option<&Plan>) -> Vec<Publish> {
    match (entry.is_up(), entry.is_there()) {
        (true, _) => plan.map(|plan| plan.publish.clone()).unwrap_or_default(),
        (false, true) => {
            let all = plan::published(&host.layout.state(&entry.name)).unwrap_or_default();
            all.into_iter().filter(|port| port.activate).collect()
        }
        (false, false) => Vec::new(),
    }
}

/// A bridge that was removed lets its ports go, and another one of its name does not take them back.
fn is_plugged(port: &Port) -> bool {
    let master = std::fs::read_link(format!("/sys/class/net/{}/master", port.host_name));
    master.is_ok_and(|master| master.file_name().is_some_and(|name| *name == *port.bridge))
}

fn boot(boot: Boot, name: &str) -> String {
    match boot {
        Boot::No => "not started at boot".to_owned(),
        Boot::Autostart => "started at boot by its definition (autostart = true)".to_owned(),
        Boot::Enabled => format!("started at boot by systemctl (systemctl disable soute-start@{name})"),
        Boot::Both => format!("started at boot by its definition and by systemctl; soute disable {name} clears both"),
    }
}
