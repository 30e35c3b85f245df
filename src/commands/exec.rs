//! `soute exec`

use std::ops::ControlFlow::{self, Break, Continue};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use clap::Args;
use nix::sys::signal::{Signal, kill};
use rustix::stdio::{stdin, stdout};
use rustix::termios::isatty;

use super::cli::attach;
use super::must_exist;
use crate::definition::types::{EnvironmentName, GuestPath, Name, UserSpec};
use crate::error::{Error, Exit, Result};
use crate::plan::{Plan, Process};
use crate::sandbox::exec::{self, Command, Target};
use crate::sandbox::own_program;
use crate::settings::Host;
use crate::systemd::Manager;
use crate::terminal::{RawMode, Relay, Session, Signals, Streams, ends, pty, with_terminal};

/// Runs a command in a running container, with the namespaces, limits and privileges of its payload.
#[derive(Debug, Args)]
pub struct Exec {
    /// Pass standard input on.
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the command a terminal.
    #[arg(short, long)]
    pub tty: bool,
    #[command(flatten)]
    pub process: Overrides,
    /// The container.
    pub name: Name,
    /// The command, without a shell, and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// What is other than for the payload.
#[derive(Debug, Args)]
pub struct Overrides {
    /// Run it as this user, by name or number; a group may follow a colon.
    #[arg(short, long)]
    user: Option<UserSpec>,
    /// Set an environment variable; without a value it is the caller's.
    #[arg(short, long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// Start in this directory of the container.
    #[arg(short, long, visible_alias = "workdir", value_name = "DIR")]
    working_directory: Option<GuestPath>,
}

impl Exec {
    /// Runs it; the exit status is the command's.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        Ok(attach::status(self.attached(host)))
    }

    /// A container that does not run may be one that there is not.
    fn told_apart(&self, host: &Host, error: Error) -> Error {
        let exists = || must_exist(host, &Manager::connect()?, &self.name);
        if error.exit() == Exit::NotRunning { exists().err().unwrap_or(error) } else { error }
    }

    fn attached(self, host: &Host) -> Result<i32> {
        // First of all, so that no signal is lost, and none ends us half-way.
        let signals = Signals::block()?;
        let target = Target::find(&host.layout, &self.name).map_err(|error| self.told_apart(host, error))?;
        let plan = Plan::read(&host.layout.state(&self.name))?;
        own_program::protect(&plan)?;
        let mut process = Process { argv: self.command, terminal: self.tty, ..plan.sandbox.process.clone() };
        self.process.apply(&mut process)?;
        match self.tty {
            true => in_terminal(&target, &plan, &mut process, self.interactive, signals),
            false => {
                let Streams { stdio, flows } = Streams::without_terminal(self.interactive)?;
                let command = exec::spawn(&target, &plan, &process, exec::Streams::Given(stdio))?;
                let mut relay = Relay { flows, signals };
                let running = Running::of(&command, None)?;
                let _ = relay.run(&running, running.end.as_fd())?;
                command.wait()
            }
        }
    }
}

fn in_terminal(target: &Target, plan: &Plan, process: &mut Process, input: bool, signals: Signals) -> Result<i32> {
    set_default(&mut process.environment, "TERM", std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned()));
    let window = [stdin(), stdout()].into_iter().find(|fd| isatty(fd));
    let size = window.and_then(pty::size);
    let mut command = exec::spawn(target, plan, process, exec::Streams::Terminal(size))?;
    let master = command.master.take().ok_or_else(|| Error::failed("the command has no terminal"))?;
    let raw = if input && isatty(stdin()) {
        Signals::block_stop()?;
        Some(RawMode::enter(stdin())?)
    } else if isatty(stdout()) {
        Some(RawMode::for_output(stdout())?)
    } else {
        None
    };
    let mut relay = Relay { flows: with_terminal(&master, input)?, signals };
    let running = Running::of(&command, Some(Terminal { master, window, raw }))?;
    let relayed = relay.run(&running, running.end.as_fd());
    // The terminal goes before anything else: where the command is still there the kernel tells it so, by SIGHUP.
    drop((relay, running));
    match relayed? {
        Continue(()) => command.wait(),
        Break(signal) => Ok(128 + signal as i32),
    }
}

/// A command that runs, and the terminal between it and us.
struct Running {
    command: nix::unistd::Pid,
    end: OwnedFd,
    terminal: Option<Terminal>,
}

struct Terminal {
    master: OwnedFd,
    window: Option<BorrowedFd<'static>>,
    raw: Option<RawMode>,
}

impl Running {
    fn of(command: &Command, terminal: Option<Terminal>) -> Result<Self> {
        Ok(Self { command: command.pid, end: command.end()?, terminal })
    }
}

impl Session for Running {
    fn signal(&self, signal: Signal) -> ControlFlow<Signal> {
        match (signal, &self.terminal) {
            (Signal::SIGWINCH, Some(Terminal { master, window: Some(window), .. })) => pty::copy_size(*window, master),
            (Signal::SIGCONT, Some(Terminal { raw: Some(raw), .. })) => drop(raw.renew()),
            (Signal::SIGWINCH | Signal::SIGCONT, _) => {}
            // Keys do not arrive here as signals, and an interactive shell ignores SIGTERM: we are to go.
            (signal, Some(_)) if ends(signal) => return Break(signal),
            // Our child, and not yet waited for: its number is nobody else's.
            (signal, _) => drop(kill(self.command, signal)),
        }
        Continue(())
    }
}

impl Overrides {
    fn apply(self, process: &mut Process) -> Result<()> {
        if let Some(user) = self.user {
            process.user = user.to_string();
            // Those of the definition are for the definition's user.
            process.groups.clear();
        }
        if let Some(directory) = self.working_directory {
            process.working_directory = directory.to_string();
        }
        for word in self.env {
            let (key, value) = variable(&word)?;
            process.environment.retain(|(name, _)| *name != key);
            process.environment.extend(value.map(|value| (key, value)));
        }
        Ok(())
    }
}

/// KEY=VALUE, or KEY alone for the caller's value, as podman has it.
fn variable(word: &str) -> Result<(String, Option<String>)> {
    let (key, value) = match word.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (word, std::env::var(word).ok()),
    };
    let key: EnvironmentName = key.parse().map_err(Error::failed)?;
    Ok((key.to_string(), value))
}

/// Sets a variable that is not set.
pub fn set_default(environment: &mut Vec<(String, String)>, key: &str, value: String) {
    if !environment.iter().any(|(name, _)| name == key) {
        environment.push((key.to_owned(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Sandbox;

    #[test]
    fn overrides_replace_what_the_payload_has() {
        let environment = vec![("LANG".to_owned(), "C".to_owned()), ("A".to_owned(), "1".to_owned())];
        let groups = vec!["ssl".to_owned()];
        let mut process = Process { environment, groups, ..Sandbox::example().process };
        let env = ["LANG=de=x", "B=", "NOT_SET_ANYWHERE"].map(str::to_owned).to_vec();
        let overrides = Overrides { user: Some("www:www".parse().unwrap()), env, working_directory: None };
        overrides.apply(&mut process).unwrap();
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(process.environment, [set("A", "1"), set("LANG", "de=x"), set("B", "")]);
        assert_eq!((process.user.as_str(), process.groups.len()), ("www:www", 0));
        assert_eq!(process.working_directory, "/");
    }

    #[test]
    fn a_variable_without_a_name_is_refused() {
        assert!(variable("=x").is_err());
        assert!(variable("1A=x").is_err());
    }
}
