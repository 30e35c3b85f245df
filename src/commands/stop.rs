//! `soute stop`

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::launch::{asked, ports};
use super::{each, unit};
use crate::definition::types::Name;
use crate::error::{Context, Exit, Result};
use crate::inventory;
use crate::plan::{self, CGROUPS};
use crate::settings::Host;
use crate::systemd::Manager;

/// Stops containers; disks and definitions are kept.
#[derive(Debug, Args)]
pub struct Stop {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Stop {
    /// A container that does not run is stopped already.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        if asked::is_how() {
            return each(&targets::containers(host, &self.names)?, |name| asked::stop(host, &manager, name));
        }
        let _kept = manager.keep();
        let containers = targets::containers(host, &self.names)?;
        // systemd would stop them after it, and nobody would wait for their ends.
        let first = required_by(&manager, self.names.iter().chain(&containers))?;
        let first = first.iter().filter(|name| containers.iter().all(|asked| asked.as_str() != name.as_str()));
        let dependents =
            each(first, |name| for_now(host, &manager, name).with_context(|| format!("cannot stop {name}")))?;
        let stopped = each(&containers, |name| {
            super::must_exist(host, &manager, name)?;
            for_now(host, &manager, name).with_context(|| format!("cannot stop {name}"))?;
            let listening = ports::listening(&manager, &plan::published(&host.layout.state(name))?)?;
            if !listening.is_empty() {
                eprintln!("soute: {name} is stopped, but it can still be activated by {}", listening.join(", "));
            }
            Ok(())
        })?;
        Ok(if dependents == ExitCode::SUCCESS { stopped } else { dependents })
    }
}

/// Loaded containers that require one of these, directly or through others, in the order in which they are to stop.
fn required_by<'a>(manager: &Manager, names: impl Iterator<Item = &'a Name>) -> Result<Vec<String>> {
    fn follow(manager: &Manager, name: &str, seen: &mut BTreeSet<String>, order: &mut Vec<String>) -> Result<()> {
        let target = manager.properties(&format!("soute-up@{name}.target"), &["ConsistsOf"])?;
        for unit in target.texts("ConsistsOf") {
            let Some(other) = unit.strip_prefix("soute@").and_then(|unit| unit.strip_suffix(".service")) else {
                continue;
            };
            if seen.insert(other.to_owned()) {
                follow(manager, other, seen, order)?;
                order.push(other.to_owned());
            }
        }
        Ok(())
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for name in names {
        follow(manager, name, &mut seen, &mut order)?;
    }
    Ok(order)
}

/// Stops one for good: nobody who connects to its ports starts it again.
pub fn stop(host: &Host, manager: &Manager, name: &str) -> Result<()> {
    let published = plan::published(&host.layout.state(name))?;
    if published.iter().any(|port| port.activate) {
        ports::close(manager, published.iter())?;
        // Whom the last connection may have told to start it.
        stop_unit(manager, &format!("soute-activate@{name}.service"))?;
    }
    for_now(host, manager, name)
}

/// Stops one and waits for its end; what failed is reset, so that its name is free. Ports that start it stay open.
pub fn for_now(host: &Host, manager: &Manager, name: &str) -> Result<()> {
    // Of a one-off container nothing is left afterwards.
    let published = plan::published(&host.layout.state(name))?;
    stop_unit(manager, &unit(name))?;
    ports::wait_until_free(manager, &published)
}

fn stop_unit(manager: &Manager, unit: &str) -> Result<()> {
    let status = manager.status(unit)?;
    let properties = manager.properties(unit, &["ControlGroup"])?;
    let group = properties.text("ControlGroup").trim_start_matches('/');
    if !group.is_empty() && inventory::is_frozen(&Path::new(CGROUPS).join(group)) {
        // systemd 257 has no stop for what is frozen, and what is could not hear of it.
        manager.thaw(unit)?;
    }
    match status.active.as_str() {
        "inactive" if status.job.is_none() => Ok(()),
        "failed" if status.job.is_none() => manager.reset_failed(unit),
        _ => match manager.stop(unit) {
            // It has gone since, with a container that it requires or by itself.
            Err(error) if error.exit() == Exit::NotRunning => Ok(()),
            stopped => stopped,
        },
    }
}
