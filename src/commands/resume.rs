//! `soute resume`

use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::{each, must_run, unit};
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::logs;
use crate::settings::Host;
use crate::systemd::Manager;

/// Lets paused containers run again.
#[derive(Debug, Args)]
pub struct Resume {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Resume {
    /// Done twice it does nothing.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        each(&targets::containers(host, &self.names)?, |name| {
            must_run(host, &manager, name)?;
            manager.thaw(&unit(name)).with_context(|| format!("cannot resume {name}"))?;
            // systemd says nothing of it there.
            let _ = logs::tell(name, &host.layout, "thawed", "<5>thawed");
            Ok(())
        })
    }
}
