//! `soute start`

use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::launch::{Launch, asked};
use super::{each, launch};
use crate::definition::types::Name;
use crate::error::Result;
use crate::settings::Host;
use crate::systemd::Manager;

/// Starts containers and waits until they are ready.
#[derive(Debug, Args)]
pub struct Start {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Start {
    /// Each after those that it requires.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        if asked::is_how() {
            return each(&targets::containers(host, &self.names)?, |name| asked::start(host, &manager, name));
        }
        let _kept = manager.keep();
        let launch = Launch::new(host, &manager)?;
        let only_listen = launch::may_only_listen();
        let names = targets::containers(host, &self.names)?;
        each(&names, |name| if only_listen { launch.start_or_listen(name) } else { launch.start(name) })
    }
}
