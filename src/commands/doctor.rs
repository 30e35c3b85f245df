//! `soute doctor`

use std::ffi::OsString;
use std::fmt::Write;
use std::io::stderr;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use clap::Args;
use nix::sys::signal::{SigSet, Signal};
use serde::Serialize;

use super::{check, report};
use crate::definition::types::escaped;
use crate::doctor::facts::Definitions;
use crate::doctor::finding::{self, Finding, Grade};
use crate::doctor::prove::{Area, Difference, Snapshot, compare};
use crate::doctor::{judge, read};
use crate::error::{Context, Error, Exit, Result};
use crate::output::{json, stdout};
use crate::settings::Host;

/// Links that are named before the list is cut.
const SHOWN: usize = 5;

/// Says what on this host stops or weakens containers, or proves that a command leaves it as it was.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Run CMD, and compare the host's packet rules, routes and sysctls before and after it.
    #[arg(long, requires = "command")]
    prove: bool,
    /// Print JSON; what CMD prints goes to standard error then.
    #[arg(long)]
    json: bool,
    /// The command, without a shell, and its arguments.
    #[arg(value_name = "CMD", trailing_var_arg = true, allow_hyphen_values = true, requires = "prove")]
    command: Vec<OsString>,
}

#[derive(Serialize)]
struct Examination<'a> {
    problems: usize,
    warnings: usize,
    findings: &'a [Finding],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Proof<'a> {
    command: Vec<String>,
    /// What it ended with, 128 and the number for a signal; none where it could not be run.
    status: Option<i32>,
    equal: bool,
    compared: Vec<Compared>,
    not_compared: Vec<NotCompared<'a>>,
    differences: &'a [Difference],
    own_links: &'a [String],
}

#[derive(Serialize)]
struct Compared {
    area: Area,
    items: usize,
}

#[derive(Serialize)]
struct NotCompared<'a> {
    area: Area,
    why: &'a str,
}

impl Doctor {
    /// Exit status 1 for a problem; with --prove 7 for a difference.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::new(Exit::NotPermitted, "only root can read packet rules, the store and all sysctls"));
        }
        if self.prove { self.prove() } else { self.examine(host) }
    }

    fn examine(&self, host: &Host) -> Result<ExitCode> {
        let (count, faulty) = check::faulty(host)?;
        let facts = read::read(host, Definitions { count: count as u64, faulty })?;
        let findings = judge::judge(&facts);
        let problems = finding::count(&findings, Grade::Problem);
        let text = match self.json {
            true => json::document(&Examination {
                problems,
                warnings: finding::count(&findings, Grade::Warning),
                findings: &findings,
            })?,
            false => finding::table(&findings),
        };
        stdout::write(&text)?;
        Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::from(Exit::Failed as u8) })
    }

    /// A difference counts before a failure of the command.
    fn prove(&self) -> Result<ExitCode> {
        let before = Snapshot::take()?;
        let ended = self.attached();
        let after = Snapshot::take()?;
        let differences = compare(&before, &after);
        let proof = self.proof(&after, &differences, ended.as_ref().ok());
        let text = if self.json { json::document(&proof)? } else { proof.text() };
        let failed = ended.and_then(|status| self.must_succeed(status));
        if let Err(error) = &failed {
            report(error);
        }
        stdout::write(&text)?;
        Ok(match (differences.is_empty(), failed) {
            (false, _) => ExitCode::from(Exit::Differs as u8),
            (true, Err(_)) => ExitCode::from(Exit::Failed as u8),
            (true, Ok(())) => ExitCode::SUCCESS,
        })
    }

    fn program(&self) -> String {
        self.command.first().map(|program| escaped(&program.to_string_lossy())).unwrap_or_default()
    }

    /// Runs it on our terminal and waits. A Ctrl-C is for the command alone: the comparison has to follow.
    fn attached(&self) -> Result<ExitStatus> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Error::new(Exit::Usage, "there is no command"));
        };
        let mut command = Command::new(program);
        command.args(arguments);
        if self.json {
            let words = stderr().as_fd().try_clone_to_owned().context("cannot duplicate standard error")?;
            command.stdout(Stdio::from(words));
        }
        // The command has none of them blocked: the standard library sees to that.
        let ours: SigSet = [Signal::SIGINT, Signal::SIGQUIT].into_iter().collect();
        ours.thread_block().context("cannot block the signals")?;
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.program()))?;
        child.wait().with_context(|| format!("cannot wait for {}", self.program()))
    }

    fn must_succeed(&self, status: ExitStatus) -> Result<()> {
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) => Err(Error::failed(format!("{} ended with exit status {code}", self.program()))),
            (None, signal) => {
                let signal = signal.and_then(|number| Signal::try_from(number).ok()).map_or("a signal", Signal::as_str);
                Err(Error::failed(format!("{} was ended by {signal}", self.program())))
            }
        }
    }

    fn proof<'a>(&self, after: &'a Snapshot, differences: &'a [Difference], status: Option<&ExitStatus>) -> Proof<'a> {
        let status = status.and_then(|status| status.code().or(status.signal().map(|signal| 128 + signal)));
        Proof {
            command: self.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            status,
            equal: differences.is_empty(),
            compared: after.areas.iter().map(|(area, items)| Compared { area: *area, items: items.len() }).collect(),
            not_compared: after.unread.iter().map(|(area, why)| NotCompared { area: *area, why }).collect(),
            differences,
            own_links: &after.ours,
        }
    }
}

impl Proof<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        for difference in self.differences {
            let _ = writeln!(text, "{}", difference.line());
        }
        let compared = self.compared.iter().map(|one| format!("{} {}", one.items, one.area.word()));
        let _ = writeln!(text, "compared: {}", compared.collect::<Vec<_>>().join(", "));
        for one in &self.not_compared {
            let _ = writeln!(text, "not compared: {}: {}", one.area.word(), one.why);
        }
        if !self.own_links.is_empty() {
            let shown = self.own_links.iter().take(SHOWN).map(|name| escaped(name));
            let more = if self.own_links.len() > SHOWN { ", ..." } else { "" };
            let names = shown.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "made by soute, and let pass: {names}{more}");
        }
        let _ = match self.differences.len() {
            0 => writeln!(text, "no difference"),
            1 => writeln!(text, "1 difference"),
            count => writeln!(text, "{count} differences"),
        };
        text
    }
}
