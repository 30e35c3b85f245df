//! ExecStop= and ExecReload=: what systemd asks of a running container.

use std::fs;

use nix::libc::{SIGKILL, SIGTERM};
use nix::unistd::Pid;

use super::raw;
use crate::error::{Context, Error, Result};
use crate::file;
use crate::layout::Layout;
use crate::plan::{Init, Plan, Reload, STOPPING};

/// A PID 1 without a handler ignores every signal from its own namespace's outside but SIGKILL, so that waiting for it
/// would last the whole stop timeout; it is killed at once. Where there is a handler systemd sends the stop signal itself.
pub fn stop(layout: &Layout, name: &str) -> Result<()> {
    // systemd runs this too when the payload has ended by itself.
    let Ok(payload) = main_pid() else { return Ok(()) };
    match Plan::read(&layout.state(name)) {
        Ok(plan) => {
            note(layout, name)?;
            kill_the_deaf(&plan, payload)
        }
        // Somebody has emptied /run/soute. It has to stop all the same.
        Err(error) => {
            eprintln!("soute-runner: {error}, ignoring");
            kill_if_deaf(payload, SIGTERM)
        }
    }
}

/// By this the clean-up tells a stop from a kill -9 of somebody else, which ends the same way.
pub fn note(layout: &Layout, name: &str) -> Result<()> {
    file::write(&layout.state(name).join(STOPPING), b"", 0o600).context("cannot note the stop")
}

/// What a stop comes to for a payload that would not hear the stop signal.
pub fn kill_the_deaf(plan: &Plan, payload: Pid) -> Result<()> {
    match plan.sandbox.namespaces.pid && plan.sandbox.init == Init::None {
        true => kill_if_deaf(payload, plan.sandbox.stop_signal),
        false => Ok(()),
    }
}

fn kill_if_deaf(payload: Pid, signal: i32) -> Result<()> {
    if !hears(payload, signal)? {
        raw::kill(payload, SIGKILL);
    }
    Ok(())
}

/// The signal, or the command, of `[reload]`.
pub fn reload(layout: &Layout, name: &str) -> Result<()> {
    let plan = Plan::read(&layout.state(name))?;
    match &plan.sandbox.reload {
        None => Err(Error::failed(format!("{name} has no [reload]"))),
        Some(Reload::Signal(signal)) => {
            raw::kill(main_pid()?, *signal);
            Ok(())
        }
        Some(Reload::Command(argv)) => match super::exec::run_inside(&plan, main_pid()?, argv)? {
            0 => Ok(()),
            status => Err(Error::failed(format!("the reload command ended with status {status}"))),
        },
    }
}

/// MAINPID, which systemd sets for these commands.
fn main_pid() -> Result<Pid> {
    let pid = std::env::var("MAINPID").ok().and_then(|pid| pid.parse().ok()).filter(|pid| *pid > 1);
    pid.map(Pid::from_raw).ok_or_else(|| Error::failed("MAINPID is not set: this command is for systemd"))
}

/// Whether a process has a handler for a signal, or blocks it, as who waits for it with signalfd(2) or sigwait(3) does.
fn hears(pid: Pid, signal: i32) -> Result<bool> {
    let status = match fs::read_to_string(format!("/proc/{pid}/status")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        other => other.with_context(|| format!("cannot read the status of process {pid}"))?,
    };
    Ok((mask(&status, "SigCgt:") | mask(&status, "SigBlk:")) & 1 << (signal - 1) != 0)
}

/// A mask of proc_pid_status(5).
fn mask(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masks_of_signals_are_read() {
        // A shell with a trap for TERM (15) and CHLD (17).
        let status = "Name:\tsh\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000004000\nSigCgt:\t0000000000014000\n";
        assert_eq!(mask(status, "SigCgt:"), 1 << 14 | 1 << 16);
        assert_eq!(mask(status, "SigBlk:"), 1);
        assert_eq!(mask(status, "SigPnd:"), 0);
    }
}
