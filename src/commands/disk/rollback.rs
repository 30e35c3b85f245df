//! `soute disk rollback`

use std::process::ExitCode;

use clap::Args;

use crate::commands::commit::stopped;
use crate::commands::launch::Launch;
use crate::commands::remove::is_running;
use crate::commands::restart::running_dependents;
use crate::commands::{must_exist, stop};
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::disk::{self, snapshot};
use crate::output::bar;
use crate::settings::Host;
use crate::systemd::Manager;

/// Makes the disk of a stopped container what it was in a snapshot, which stays.
#[derive(Debug, Args)]
pub struct Rollback {
    /// The container.
    name: Name,
    /// The snapshot.
    tag: Name,
    /// Stop a container that runs, and start it again, with those that require it.
    #[arg(long)]
    restart: bool,
}

impl Rollback {
    /// Rolls it back.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let Self { name, tag, restart } = &self;
        let action = || format!("cannot roll {name} back");
        let manager = match Manager::connect() {
            Ok(manager) => manager,
            // Below another root there is nothing that runs.
            Err(_) => return back(host, name, tag).with_context(action),
        };
        must_exist(host, &manager, name)?;
        let up = is_running(&manager, name)?;
        if up && !restart {
            let error = Error::new(Exit::Busy, "it is running: soute stop it first, or --restart");
            return Err(error).with_context(action);
        }
        // Nothing is stopped for a tag that is not there.
        let disk = disk::open(&host.layout, name)?;
        let found = disk.as_ref().map(|disk| snapshot::find(disk, tag)).transpose()?.flatten();
        found.ok_or_else(|| Error::new(Exit::NotFound, format!("there is no snapshot {tag}"))).with_context(action)?;
        let launch = Launch::new(host, &manager)?;
        let mut with_it = Vec::new();
        if up {
            launch.load(name).with_context(action)?;
            with_it = running_dependents(host, &manager, name)?;
            for stopped in with_it.iter().chain([name]) {
                stop::stop(host, &manager, stopped).with_context(|| format!("cannot stop {stopped}"))?;
            }
        }
        let rolled = back(host, name, tag).with_context(action);
        if up {
            // With the old disk, where it failed.
            launch.start(name)?;
            with_it.iter().try_for_each(|dependent| launch.start(dependent))?;
        }
        rolled
    }
}

fn back(host: &Host, name: &Name, tag: &Name) -> Result<ExitCode> {
    let _lock = stopped(host, name)?;
    let bar = bar::new(format!("copying the snapshot {tag}"));
    let copied = snapshot::rollback(&host.layout, name, tag, &mut |done, total| bar::show(&bar, done, total));
    bar.finish_and_clear();
    eprintln!("{name}: back to {tag}, {}", copied?);
    Ok(ExitCode::SUCCESS)
}
