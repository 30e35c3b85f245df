//! `soute logs`

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Args;

use super::unit;
use crate::definition::types::Name;
use crate::error::{Context, Error, Result};
use crate::settings::Host;

/// Shows the log of a container.
#[derive(Debug, Args)]
pub struct Logs {
    /// The container.
    name: Name,
    /// Flags for journalctl(1), such as -f, -n 20, --since today.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAG")]
    flags: Vec<String>,
}

impl Logs {
    /// Becomes journalctl.
    pub fn run(self, _: &Host) -> Result<ExitCode> {
        let error = Command::new("journalctl").arg("--unit").arg(unit(&self.name)).args(self.flags).exec();
        Err(Error::from(error)).context("cannot run journalctl")
    }
}
