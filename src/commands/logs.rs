//! `soute logs`

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use clap::Args;

use super::{must_exist, unit};
use crate::definition::types::Name;
use crate::error::{Context, Error, Result};
use crate::plan::{Plan, Value};
use crate::settings::Host;
use crate::systemd::Manager;

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
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        if let Err(unknown) = must_exist(host, &Manager::connect()?, &self.name) {
            // A container that has been removed leaves its log.
            let mut one = journalctl(host, &self.name);
            let entry = one.args(["--quiet", "--lines=1"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
            if entry.is_ok_and(|found| found.stdout.is_empty()) {
                return Err(unknown);
            }
        }
        let error = journalctl(host, &self.name).args(self.flags).exec();
        Err(Error::from(error)).context("cannot run journalctl")
    }
}

/// journalctl(1) for one container: with the journal namespace that its payload writes to, if it has one. What systemd
/// says of the unit is in the default one.
pub fn journalctl(host: &Host, name: &str) -> Command {
    let mut command = Command::new("journalctl");
    let plan = Plan::read(&host.layout.state(name)).ok();
    if let Some(Value::Text(namespace)) = plan.as_ref().and_then(|plan| plan.unit.get("LogNamespace"))
        && !namespace.is_empty()
    {
        command.arg(format!("--namespace=+{namespace}"));
    }
    command.arg("--unit").arg(unit(name));
    command
}
