//! The container's side, from clone3(2) to execve(2): one thread, top to bottom.

use std::convert::Infallible;
use std::io::Write;
use std::os::fd::AsFd;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::fs::{Mode, OFlags};

use super::channel::{Channel, Message};
use super::operations::{covers, operations};
use super::sources::Sources;
use super::tree::Tree;
use super::user::{self, Credentials};
use super::{execute, label, raw, reaper, root, secrets};
use crate::error::{Context, Result};
use crate::network::Netlink;
use crate::plan::{IdRange, Init, Plan, Process, Ready, Sandbox};

/// The statuses that systemd itself uses for a step that failed, see systemd.exec(5).
const EXIT_NAMESPACE: i32 = 226;
const EXIT_EXEC: i32 = 203;

/// Builds the container around this process and becomes its payload.
///
/// `runner` is a channel on which nothing is said: its end is that of the runner, after systemd has heard all from it. Until
/// then this process must not end, or systemd would see a payload that ended before it was ready, or without its last words.
pub fn become_payload(plan: &Plan, sources: &Sources, channel: Channel, runner: Channel) -> ! {
    let built = build(plan, sources, &channel).and_then(|built| go(plan, built, &channel));
    let (message, status) = match built {
        Err(error) => (Message::Failed(error.to_string()), EXIT_NAMESPACE),
        Ok(credentials) => match become_it(&plan.sandbox, sources, &credentials, &runner) {
            Err(error) => (Message::CannotExecute(error.exit(), error.to_string()), EXIT_EXEC),
        },
    };
    // When the runner is gone there is nobody to tell.
    let _ = channel.say(&message);
    drop(channel);
    let _ = runner.hear();
    std::process::exit(status)
}

/// With `network`, the socket that its own network was set up by.
struct Built {
    credentials: Credentials,
    network: Option<Netlink>,
}

fn go(plan: &Plan, built: Built, channel: &Channel) -> Result<Credentials> {
    channel.say(&Message::Built)?;
    channel.expect(&Message::Go)?;
    built.network.map_or(Ok(()), |mut network| network.announce(&plan.links))?;
    Ok(built.credentials)
}

fn become_it(sandbox: &Sandbox, sources: &Sources, credentials: &Credentials, runner: &Channel) -> Result<Infallible> {
    let process = payload(sandbox);
    execute::settle(&process, credentials)?;
    if let Some(program) = &sources.reaper {
        let outlived = (sandbox.ready == Ready::Exec).then_some(runner);
        reaper::split(program, outlived)?;
    }
    execute::replace(&process, credentials)
}

/// The process of the definition, told where it may say READY=1 and WATCHDOG=1: it alone, not what `exec` runs beside it.
fn payload(sandbox: &Sandbox) -> Process {
    let mut process = sandbox.process.clone();
    if let Some(watchdog) = sandbox.watchdog {
        process.environment.push(("WATCHDOG_USEC".to_owned(), watchdog.as_micros().to_string()));
    }
    if sandbox.notifies() {
        process.environment.push(("NOTIFY_SOCKET".to_owned(), "/run/host/notify".to_owned()));
    }
    process
}

fn build(plan: &Plan, sources: &Sources, channel: &Channel) -> Result<Built> {
    let sandbox = &plan.sandbox;
    // While /proc is the host's.
    let labels = &sandbox.process.labels;
    label::apply(labels, label::open_proc(labels)?)?;
    if sandbox.init == Init::Reaper {
        reaper::hold_signals()?;
    }
    channel.expect(&Message::Mapped)?;
    if sandbox.namespaces.user {
        become_root_inside()?;
    }
    rustix::process::setsid().context("cannot start a session")?;
    raw::join_new_session_keyring().context("cannot make a session keyring")?;
    if sandbox.namespaces.uts {
        nix::unistd::sethostname(&sandbox.hostname).context("cannot set the host name")?;
    }
    let tree = Tree::plant(sandbox, sources)?;
    for operation in operations(sandbox) {
        tree.perform(&operation)?;
    }
    channel.expect(&Message::Wired)?;
    set_sysctls(&tree, sandbox)?;
    let mut network = sandbox.namespaces.network.then(Netlink::open).transpose()?;
    network.as_mut().map_or(Ok(()), |network| network.configure_inside(&plan.links))?;
    tree.set_timezone()?;
    tree.set_hosts();
    for cover in covers(sandbox) {
        tree.perform(&cover)?;
    }
    tree.enter()?;
    let top = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .context("cannot open the root")?;
    let limit = if sandbox.namespaces.user { IdRange::COUNT } else { u32::MAX };
    let credentials = user::resolve(top.as_fd(), &sandbox.process, limit)?;
    secrets::hand_over(top.as_fd(), sandbox, &sources.credentials, &credentials)?;
    Ok(Built { credentials, network })
}

/// Until now we were the host's root, seen from inside as nobody.
pub fn become_root_inside() -> Result<()> {
    let (gid, uid) = (Gid::from_raw(0), Uid::from_raw(0));
    setgroups(&[]).context("cannot drop the host's groups")?;
    setresgid(gid, gid, gid).context("cannot become the container's root")?;
    setresuid(uid, uid, uid).context("cannot become the container's root")
}

/// Through the container's own fresh proc, whatever the image has put at that path: it is mounted over by now.
fn set_sysctls(tree: &Tree<'_>, sandbox: &Sandbox) -> Result<()> {
    for (name, value) in &sandbox.sysctls {
        // As sysctl(8) writes it: net.ipv4.conf.eth0/100.forwarding is of the link eth0.100.
        let path: String = name
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect();
        let path = format!("/proc/sys/{path}");
        let write = || -> Result<()> {
            let file = root::open_proc(tree.root(), &path, OFlags::WRONLY)?;
            Ok(std::fs::File::from(file).write_all(value.as_bytes())?)
        };
        write().with_context(|| format!("cannot set sysctl {name} to {value:?}"))?;
    }
    Ok(())
}
