//! The client: udhcpc, which asks, tells its script, and ends.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::definition::types::escaped;
use crate::error::{Context, Error, Result};
use crate::instances::leases::Given;
use crate::plan::Link;

/// Who has it not, installs this.
pub const PACKAGE: &str = "udhcpc";
/// RFC 3397, the domains to search, which it does not ask for by itself. By number, as one that knows no such option would not run.
const SEARCH: &str = "119";
/// What the script is told, and passes on.
const KEYS: [&str; 7] = ["ip", "subnet", "router", "lease", "dns", "domain", "search"];
/// In the environment of the script: that it is called as one.
const SCRIPT: &str = "SOUTE_DHCP";
/// So often is asked, with such a pause in seconds.
const TRIES: [&str; 2] = ["5", "2"];
/// A server that offers and never gives would keep the client for ever.
const LONGEST: Duration = Duration::from_secs(20);
const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Of a DHCP packet's options, as text.
const LARGEST: u64 = 1 << 16;

/// Whether there is a client.
pub fn is_installed() -> bool {
    program().is_some()
}

/// Asks on a link of a network namespace, for what it had where it had something.
pub fn ask(link: &Link, wanted: Option<IpAddr>, netns: &OwnedFd) -> Result<Given> {
    let action = || format!("cannot get an address for {} by DHCP", link.name);
    let netns = netns.try_clone().with_context(action)?;
    let answer = std::thread::scope(|scope| {
        let there = scope.spawn(|| -> Result<String> {
            // The thread ends with the namespace, its child is born in it.
            setns(netns, CloneFlags::CLONE_NEWNET).context("cannot enter the container's network namespace")?;
            run(command(link, wanted)?)
        });
        there.join().map_err(|_| Error::failed("the client was not started"))?
    });
    answer.and_then(|text| Given::parse(&text)).with_context(action)
}

fn command(link: &Link, wanted: Option<IpAddr>) -> Result<Command> {
    let (program, is_busybox) =
        program().ok_or_else(|| Error::failed(format_args!("udhcpc is not installed (package {PACKAGE})")))?;
    let script = std::env::current_exe().context("cannot find soute-runner")?;
    let mut command = Command::new(program);
    command.args(is_busybox.then_some("udhcpc"));
    command.args(["-f", "-q", "-n", "-t", TRIES[0], "-T", TRIES[1], "-O", SEARCH, "-i", &link.name, "-s"]).arg(script);
    command.args(wanted.map(|address| [OsString::from("-r"), address.to_string().into()]).into_iter().flatten());
    command.env_clear().env(SCRIPT, "1").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// The client, and whether it is to be told which of its many programs it is.
fn program() -> Option<(PathBuf, bool)> {
    let find =
        |name: &str| DIRECTORIES.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.exists());
    find("udhcpc").map(|path| (path, false)).or_else(|| find("busybox").map(|path| (path, true)))
}

/// What its script has said.
fn run(mut command: Command) -> Result<String> {
    let mut child = command.spawn().context("cannot run udhcpc")?;
    let in_time = wait(&child);
    if !matches!(in_time, Ok(true)) {
        let _ = child.kill();
    }
    let status = child.wait().context("cannot wait for udhcpc")?;
    if !in_time? {
        return Err(Error::failed(format_args!("no lease within {} s", LONGEST.as_secs())));
    }
    let (mut text, mut words) = (String::new(), String::new());
    let taken = child.stdout.take().map(|pipe| pipe.take(LARGEST).read_to_string(&mut text)).transpose();
    taken.context("cannot read the answer")?;
    if status.success() && !text.is_empty() {
        return Ok(text);
    }
    let _ = child.stderr.take().map(|pipe| pipe.take(LARGEST).read_to_string(&mut words));
    match words.lines().last() {
        Some(line) if !line.contains("no lease") => Err(Error::failed(escaped(line))),
        _ => Err(Error::failed("no DHCP server answers")),
    }
}

/// Whether it ends in time.
fn wait(child: &Child) -> Result<bool> {
    let pid =
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| Error::failed("udhcpc has no number"))?;
    let ended = pidfd_open(pid, PidfdFlags::empty()).context("cannot watch udhcpc")?;
    let deadline = Instant::now() + LONGEST;
    let come = rustix::io::retry_on_intr(|| {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&left))
    });
    come.map(|come| come > 0).context("cannot wait for udhcpc")
}

/// The script: what the client knows of a lease, a line each. True if this is a call of the client's.
pub fn say(arguments: &[String]) -> bool {
    if std::env::var_os(SCRIPT).is_none() {
        return false;
    }
    if matches!(arguments, [event] if event == "bound" || event == "renew") {
        let lines = KEYS.into_iter().filter_map(|key| Some((key, std::env::var(key).ok()?)));
        let lines = lines.map(|(key, value)| format!("{key}={}\n", value.replace(char::is_control, " ")));
        let _ = std::io::stdout().write_all(lines.collect::<String>().as_bytes());
    }
    true
}
