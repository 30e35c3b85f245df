//! `soute audit`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{must_run, report};
use crate::audit::show::Report;
use crate::audit::{Expected, judge, read};
use crate::definition::Definition;
use crate::definition::types::Name;
use crate::error::{Error, Exit, Result};
use crate::host::definitions;
use crate::output::{json, stdout};
use crate::plan;
use crate::settings::Host;
use crate::systemd::Manager;

/// What is wrong only in passing is not wrong.
const AGAIN: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Reports what running containers can do, and holds it against their definitions.
#[derive(Debug, Args)]
pub struct Audit {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    containers: Vec<Report>,
}

impl Audit {
    /// Exit status 7 when something is weaker than declared; a container that could not be audited counts first.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::new(Exit::NotPermitted, "only root can look into containers"));
        }
        let manager = Manager::connect()?;
        let (mut containers, mut exit) = (Vec::new(), None);
        for name in &self.names {
            match audit(host, &manager, name) {
                Ok(container) => containers.push(container),
                Err(error) => {
                    report(&error);
                    exit.get_or_insert(error.exit());
                }
            }
        }
        let differ = containers.iter().any(|container| !container.as_declared);
        let exit = exit.or(differ.then_some(Exit::Differs));
        let text = match self.json {
            true => json::document(&Document { containers })?,
            false => containers.iter().map(Report::table).collect::<Vec<_>>().join("\n"),
        };
        stdout::write(&text)?;
        Ok(exit.map_or(ExitCode::SUCCESS, |exit| ExitCode::from(exit as u8)))
    }
}

fn audit(host: &Host, manager: &Manager, name: &Name) -> Result<Report> {
    must_run(host, manager, name)?;
    let expected = Expected::of(&definition(host, name)?);
    let read = || -> Result<Report> {
        let mut facts = read::read(manager, name, &judge::paths(&expected))?;
        for neighbour in &mut facts.neighbours {
            let declared = plan::declared(&host.layout.state(&neighbour.name)).ok().flatten();
            let joins = declared.and_then(|definition| definition.namespaces.network.container().cloned());
            neighbour.joins_this = joins.as_ref() == Some(name);
            neighbour.joins = joins.map(|other| other.to_string());
        }
        Ok(Report::new(name, judge::judge(&facts, &expected)))
    };
    let mut report = read()?;
    // A command that exec is about to bring in is in the unit already, and the host's root for another moment.
    for _ in 0..AGAIN {
        if report.as_declared {
            break;
        }
        std::thread::sleep(PAUSE);
        report = read()?;
    }
    Ok(report)
}

/// As it was when the container was started.
fn definition(host: &Host, name: &Name) -> Result<Definition> {
    match plan::declared(&host.layout.state(name))? {
        Some(definition) => Ok(definition),
        None => Ok(definitions::load(host, name)?.definition),
    }
}
