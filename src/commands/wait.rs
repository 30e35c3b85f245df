//! `soute wait`

use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::{each, must_exist, unit};
use crate::definition::types::Name;
use crate::error::{Error, Exit, Result};
use crate::image::disk;
use crate::settings::Host;
use crate::systemd::Manager;

/// Waits until containers have ended, and prints the exit status of each.
#[derive(Debug, Args)]
pub struct Wait {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Wait {
    /// A line each on standard output: the exit status, or 128 and the number of the signal.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        each(&targets::containers(host, &self.names)?, |name| {
            must_exist(host, &manager, name)?;
            let status = match manager.wait(&unit(name))? {
                Some(ended) => ended.shell_status(),
                None => recorded(host, name)?,
            };
            println!("{status}");
            Ok(())
        })
    }
}

/// What the clean-up has noted of a container that systemd knows nothing of any more.
fn recorded(host: &Host, name: &str) -> Result<i32> {
    let exit = disk::read_exit(&host.layout, name)?;
    let exit = exit.ok_or_else(|| Error::new(Exit::NotRunning, format!("{name} has never run")))?;
    let killed = || exit.status.parse::<crate::definition::types::Signal>().ok().map(|signal| 128 + signal.0);
    let status = if exit.code == "exited" { exit.status.parse().ok() } else { killed() };
    status.ok_or_else(|| Error::failed(format!("{name} has ended in an unknown way: {} {}", exit.code, exit.status)))
}
