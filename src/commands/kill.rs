//! `soute kill`

use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::{each, must_run, unit};
use crate::definition::types::{Name, Signal};
use crate::error::{Context, Result};
use crate::settings::Host;
use crate::systemd::{Manager, Whom};

/// Sends a signal to containers.
#[derive(Debug, Args)]
pub struct Kill {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    /// The signal, by name or number.
    #[arg(short, long, default_value = "SIGKILL")]
    signal: Signal,
    /// Every process of the container, not only its main process.
    #[arg(long)]
    all: bool,
}

impl Kill {
    /// As `systemctl kill` does, with podman's idea of whom.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        let whom = if self.all { Whom::All } else { Whom::Main };
        each(&targets::containers(host, &self.names)?, |name| {
            must_run(host, &manager, name)?;
            manager.kill(&unit(name), whom, self.signal.0).with_context(|| format!("cannot signal {name}"))
        })
    }
}
