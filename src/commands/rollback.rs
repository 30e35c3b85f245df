//! `soute rollback`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::cli::targets;
use super::update::one::Updater;
use super::update::{Terms, roll};
use super::{each, must_exist};
use crate::definition::search;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::settings::Host;
use crate::systemd::Manager;

/// For a replica to be healthy before the next one is stopped.
const LIMIT: Duration = Duration::from_secs(300);

/// Takes back the last update of containers.
#[derive(Debug, Args)]
pub struct Rollback {
    /// The containers, or definitions with replicas.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Rollback {
    /// One that ran is started again, and waited for as a start does.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        let updater = Updater::new(host, &manager, Terms { timeout: LIMIT, settle: Duration::ZERO });
        each(&self.names, |name| {
            let back = match targets::replicas(host, name)? {
                Some(replicas) => roll::back(&updater, name, &replicas),
                None => {
                    must_exist(host, &manager, name)?;
                    // The definition is that of its siblings too.
                    let replica = search::find(&host.layout, name)?.is_some_and(|found| found.replica.is_some());
                    updater.back(name, !replica, false)
                }
            };
            let none = || Error::new(Exit::NotFound, "no disk is kept of before an update");
            let back = back.and_then(|back| if back { Ok(()) } else { Err(none()) });
            back.with_context(|| format!("cannot roll {name} back"))
        })
    }
}
