//! `soute logs`

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use clap::Args;

use super::cli::targets::{self, Target};
use super::{must_exist, unit};
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::plan::{Plan, Value};
use crate::settings::Host;
use crate::systemd::Manager;

/// Shows the log of a container.
#[derive(Debug, Args)]
pub struct Logs {
    /// The container, or a definition with replicas, a group, or a directory that `soute up` was given: the logs of all its
    /// containers in one.
    #[arg(value_name = "NAME|GROUP|DIR", allow_hyphen_values = true)]
    target: String,
    /// Flags for journalctl(1), such as -f, -n 20, --since today. Where they come first, the last word is the container.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAG")]
    flags: Vec<String>,
}

impl Logs {
    /// Becomes journalctl.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let (target, flags) = self.split()?;
        let names = targets::resolve(host, &[target])?;
        let manager = Manager::connect()?;
        for name in &names {
            let Err(unknown) = must_exist(host, &manager, name) else { continue };
            // A container that has been removed leaves its log.
            let mut one = journalctl(host, std::slice::from_ref(name));
            let entry = one.args(["--quiet", "--lines=1"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
            if entry.is_ok_and(|found| found.stdout.is_empty()) {
                return Err(unknown);
            }
        }
        let error = journalctl(host, &names).args(flags).exec();
        Err(Error::from(error)).context("cannot run journalctl")
    }

    /// `soute logs web -f` and `soute logs -f web` are the same.
    fn split(mut self) -> Result<(Target, Vec<String>)> {
        if self.target.starts_with('-') {
            let last = self.flags.pop().filter(|last| !last.starts_with('-'));
            let last = last.ok_or_else(|| Error::new(Exit::Usage, "the name of a container is missing"))?;
            self.flags.insert(0, std::mem::replace(&mut self.target, last));
        }
        let target = self.target.parse().map_err(|refused| Error::new(Exit::Usage, refused))?;
        Ok((target, self.flags))
    }
}

/// journalctl(1) for containers: with the journal namespace that the payload of the first writes to, if it has one. What
/// systemd says of the units is in the default one.
pub fn journalctl(host: &Host, names: &[Name]) -> Command {
    let mut command = Command::new("journalctl");
    let plan = names.first().and_then(|name| Plan::of(&host.layout, name).ok());
    if let Some(Value::Text(namespace)) = plan.as_ref().and_then(|plan| plan.unit.get("LogNamespace"))
        && !namespace.is_empty()
    {
        command.arg(format!("--namespace=+{namespace}"));
    }
    for name in names {
        command.arg("--unit").arg(unit(name));
    }
    command
}
