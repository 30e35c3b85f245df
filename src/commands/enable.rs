//! `soute enable`

use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::each;
use super::launch::Launch;
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::host::definitions;
use crate::rewrite::autostart;
use crate::settings::Host;
use crate::systemd::Manager;

/// Makes containers start at boot: autostart = true in the definition, or in a drop-in where the definition is not in
/// /etc.
#[derive(Debug, Args)]
pub struct Enable {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    /// Start them as well.
    #[arg(long)]
    now: bool,
}

impl Enable {
    /// The generator reads the definition at the next boot: nothing is to be reloaded.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        each(&self.names, |name| {
            let found = definitions::find(host, name)?;
            targets::refuse_replica(host, name)?;
            autostart::set(host, &found, true).with_context(|| format!("cannot enable {name}"))?;
            if self.now {
                let manager = Manager::connect()?;
                Launch::new(host, &manager)?.start(name)?;
            }
            Ok(())
        })
    }
}
