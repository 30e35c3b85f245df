//! One check: asked in the container or in its network, within a time.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, killpg};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use super::tcp;
use crate::error::{Context, Result};
use crate::plan::{Health, Plan, Probe, Process};
use crate::sandbox::exec::{self, Command, Streams, Target};
use crate::sandbox::own_program;
use crate::terminal::{Stdio, null};

/// Of what a command says, its end is kept.
const KEPT: usize = 4096;

/// Asks; what comes back otherwise is why all is not well.
pub fn probe(target: &Target, plan: &Plan, health: &Health) -> Result<(), String> {
    let until = Instant::now() + health.timeout;
    let failed = |error: crate::error::Error| error.to_string();
    match &health.probe {
        Probe::Command(argv) => command(target, plan, argv, until).map_err(failed)?,
        Probe::Tcp(port) => within(target, || tcp::connect(None, *port, until).map(drop)).map_err(failed)?,
        Probe::Http { host, port, path } => {
            let address: Option<IpAddr> = match host.as_str() {
                "" | "localhost" => None,
                host => Some(host.parse().map_err(|_| format!("{host} is no address"))?),
            };
            let ask = || tcp::get(tcp::connect(address, *port, until)?, host, path, until);
            within(target, ask).map_err(failed)?
        }
    }
}

/// Sockets that are made meanwhile are the container's. Nothing else of it is entered, so nothing in there sees us.
fn within<T>(target: &Target, ask: impl FnOnce() -> T) -> Result<T> {
    let own = File::open("/proc/self/ns/net").context("cannot open the own network namespace")?;
    target.enter_network()?;
    let answer = ask();
    setns(own, CloneFlags::CLONE_NEWNET).context("cannot leave the container's network")?;
    Ok(answer)
}

/// Runs a command as exec does, with no input, and with an output that may be endless.
fn command(target: &Target, plan: &Plan, argv: &[String], until: Instant) -> Result<Result<(), String>> {
    own_program::protect(plan)?;
    let (mut output, theirs) = {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
        rustix::io::ioctl_fionbio(&read, true).context("cannot set up a pipe")?;
        (File::from(read), write)
    };
    let streams = Stdio([null()?, theirs.try_clone()?, theirs]);
    let process = Process { argv: argv.to_vec(), terminal: false, ..plan.sandbox.process.clone() };
    let command = exec::spawn(target, plan, &process, Streams::Given(streams))?;
    let mut said = Vec::new();
    let ended = watch(&command, &mut output, &mut said, until)?;
    if !ended {
        // It leads a session of its own: what it has started goes too, unless that has left.
        let _ = killpg(command.pid, Signal::SIGKILL);
    }
    let status = command.wait()?;
    drain(&mut output, &mut said);
    Ok(match (ended, status) {
        (true, 0) => Ok(()),
        (true, status) => Err(told(&format!("the command ended with {status}"), &said)),
        (false, _) => Err(told("the command timed out", &said)),
    })
}

/// Whether it ends in time. Its output is read along, so that it never waits for us.
fn watch(command: &Command, output: &mut File, said: &mut Vec<u8>, until: Instant) -> Result<bool> {
    let end = command.end()?;
    loop {
        let left = until.saturating_duration_since(Instant::now()).min(Duration::from_secs(3600));
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let mut waiting = [PollFd::new(&end, PollFlags::IN), PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN)];
        let found = rustix::io::retry_on_intr(|| poll(&mut waiting, Some(&timeout))).context("cannot wait")?;
        let [ended, spoke] = waiting.map(|fd| fd.revents());
        if !ended.is_empty() {
            return Ok(true);
        }
        // Many who write leave the pipe never empty.
        if found == 0 || left.is_zero() {
            return Ok(false);
        }
        if !spoke.is_empty() && drain(output, said) {
            // It has closed its output and goes on: only its end is left to wait for.
            let mut waiting = [PollFd::new(&end, PollFlags::IN)];
            return Ok(rustix::io::retry_on_intr(|| poll(&mut waiting, Some(&timeout))).context("cannot wait")? > 0);
        }
    }
}

/// Reads what there is, up to a bound that a flood cannot outrun; true at its end.
fn drain(output: &mut File, said: &mut Vec<u8>) -> bool {
    let mut piece = [0; KEPT];
    for _ in 0..16 {
        match output.read(&mut piece) {
            Ok(0) => return true,
            Ok(read) => {
                said.extend_from_slice(&piece[..read]);
                let surplus = said.len().saturating_sub(KEPT);
                said.drain(..surplus);
            }
            Err(_) => return false,
        }
    }
    false
}

/// With the last line that it has said.
fn told(what: &str, said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    match text.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(line) => format!("{what}: {line}"),
        None => what.to_owned(),
    }
}
