//! `soute reload`

use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::{each, must_run, unit};
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::settings::Host;
use crate::systemd::Manager;

/// Makes containers read their configuration again, by what `[reload]` says.
#[derive(Debug, Args)]
pub struct Reload {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Reload {
    /// As `systemctl reload` does.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        each(&targets::containers(host, &self.names)?, |name| {
            must_run(host, &manager, name)?;
            manager.reload(&unit(name)).with_context(|| format!("cannot reload {name}"))
        })
    }
}
