//! `soute disk reset`

use std::process::ExitCode;

use clap::Args;

use crate::commands::commit::stopped;
use crate::commands::{each, report};
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::image::disk;
use crate::settings::Host;

/// Removes the copies that stopped containers run on: the next start makes new ones.
#[derive(Debug, Args)]
pub struct Reset {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Reset {
    /// Removes them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let status = each(&self.names, |name| {
            let reset = stopped(host, name).and_then(|_lock| disk::reset(&host.layout, name));
            reset.with_context(|| format!("cannot reset the disk of {name}"))
        });
        disk::sweep(&host.layout).unwrap_or_else(|error| report(&error));
        status
    }
}
