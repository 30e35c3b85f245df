//! `soute unit`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{must_be_one, unit};
use crate::definition::types::{Name, escaped};
use crate::error::{Context, Result};
use crate::host::{definitions, settled};
use crate::output::stdout;
use crate::plan::Plan;
use crate::settings::Host;
use crate::systemd::{Manager, unit_text};

/// systemd.unit(5), from what counts most to what counts least; where drop-ins of transient units come from.
const DIRECTORIES: [&str; 6] = [
    "etc/systemd/system.control",
    "run/systemd/system.control",
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
];

/// Shows a container's unit as systemd has it, or as it would be started now. Drop-ins of systemd's are named.
#[derive(Debug, Args)]
pub struct Unit {
    /// The container.
    name: Name,
}

impl Unit {
    /// Of a container that runs, the snapshot that it was started from counts.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        must_be_one(host, &self.name).with_context(|| format!("cannot show the unit of {}", self.name))?;
        let manager = definitions::manager(host)?;
        let running = match &manager {
            Some(manager) => !matches!(manager.status(&unit(&self.name))?.active.as_str(), "inactive" | "failed"),
            None => false,
        };
        let (plan, drop_ins) = match &manager {
            Some(manager) if running => (Plan::of(&host.layout, &self.name)?, loaded_drop_ins(manager, &self.name)?),
            _ => (self.preview(host)?, drop_ins(host, &self.name)),
        };
        let state = if running { "as it runs" } else { "as it would be started" };
        let mut text = format!("# {}, {state}\n{}", plan.unit.name, unit_text(&plan.unit));
        for path in drop_ins {
            text += &format!("\n# and {}", escaped(&path));
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        for port in &plan.publish {
            let socket = port.unit(&plan.name);
            text += &format!("\n# {}, {state}\n{}", socket.name, unit_text(&socket));
        }
        stdout::write(&text).map(|()| ExitCode::SUCCESS)
    }

    fn preview(&self, host: &Host) -> Result<Plan> {
        let loaded = definitions::load(host, &self.name);
        loaded
            .and_then(|loaded| settled::preview(host, &loaded))
            .with_context(|| format!("cannot show the unit of {}", self.name))
    }
}

fn loaded_drop_ins(manager: &Manager, name: &Name) -> Result<Vec<String>> {
    Ok(manager.properties(&unit(name), &["DropInPaths"])?.texts("DropInPaths"))
}

/// systemd reads the drop-ins of a unit when it makes it; of one that is not there it knows none. One of a file name
/// counts, the first by directory.
fn drop_ins(host: &Host, name: &Name) -> Vec<String> {
    let of = ["service.d".to_owned(), "soute@.service.d".to_owned(), format!("soute@{name}.service.d")];
    let mut found: Vec<PathBuf> = Vec::new();
    for own in of.iter().rev() {
        for directory in DIRECTORIES {
            let directory = host.layout.root().join(directory).join(own);
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                let is_drop_in = path.extension().is_some_and(|extension| extension == "conf");
                if is_drop_in && !found.iter().any(|other| other.file_name() == path.file_name()) {
                    found.push(path);
                }
            }
        }
    }
    // systemd applies them by file name, whatever directory they are in.
    found.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    found.into_iter().map(|path| path.to_string_lossy().into_owned()).collect()
}
