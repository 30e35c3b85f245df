//! `soute machine`, which nobody types: ExecStartPost= and ExecStopPost= of a container that systemd-machined is to know.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::unit;
use crate::definition::types::Name;
use crate::error::{Error, Exit, Result};
use crate::plan::{Link, Plan};
use crate::settings::Host;
use crate::systemd::Machine;

/// A start must not wait longer for somebody else's list, nor an end.
const SECONDS: u32 = 10;

/// What systemd does after a start and after an end.
#[derive(Debug, Args)]
pub struct Verbs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Puts a container on the list.
    Register(Container),
    /// Takes it off.
    Unregister(Container),
}

#[derive(Debug, Args)]
struct Container {
    name: Name,
}

impl Verbs {
    /// Does it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        nix::unistd::alarm::set(SECONDS);
        let machine = |name: &Name| Machine { name: name.to_string(), unit: unit(name) };
        match self.what {
            What::Register(Container { name }) => {
                let plan = Plan::read(&host.layout.state(&name))?;
                machine(&name).register(leader()?, &links(&plan))?;
            }
            What::Unregister(Container { name }) => machine(&name).unregister()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn leader() -> Result<u32> {
    let main = std::env::var("MAINPID").ok().and_then(|text| text.parse().ok());
    main.ok_or_else(|| Error::new(Exit::Usage, "this is for systemd, which says $MAINPID"))
}

/// The host's ends that are there.
fn links(plan: &Plan) -> Vec<i32> {
    let index = |name: &str| std::fs::read_to_string(Path::new("/sys/class/net").join(name).join("ifindex"));
    let ports = plan.links.iter().filter_map(Link::port);
    ports.filter_map(|port| index(&port.host_name).ok()?.trim().parse().ok()).collect()
}
