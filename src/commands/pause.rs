//! `soute pause`

use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::{each, must_run, unit};
use crate::definition::types::Name;
use crate::error::{Context, Error, Result};
use crate::logs;
use crate::plan::Plan;
use crate::settings::Host;
use crate::systemd::Manager;

/// Suspends every process of containers.
#[derive(Debug, Args)]
pub struct Pause {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Pause {
    /// Done twice it does nothing.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        each(&targets::containers(host, &self.names)?, |name| {
            must_run(host, &manager, name)?;
            refuse_watched(host, name)?;
            manager.freeze(&unit(name)).with_context(|| format!("cannot pause {name}"))?;
            // systemd says nothing of it there.
            let _ = logs::tell(name, &host.layout, "frozen", "<5>frozen");
            Ok(())
        })
    }
}

/// systemd's watchdog knows nothing of the freezer.
fn refuse_watched(host: &Host, name: &Name) -> Result<()> {
    let plan = Plan::read(&host.layout.state(name));
    match plan.is_ok_and(|plan| plan.sandbox.watchdog.is_some()) {
        true => Err(Error::failed(format!("cannot pause {name}: its watchdog would end it meanwhile"))),
        false => Ok(()),
    }
}
