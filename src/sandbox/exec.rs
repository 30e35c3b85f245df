//! Another process in a running container: same namespaces, same cgroup, same privileges as its payload.
//!
//! ```text
//! caller ──clone3(CLONE_INTO_CGROUP)──▶ joiner ──setns, clone3(CLONE_PARENT)──▶ command
//! ```
//! The joiner enters the namespaces (a pid namespace counts for children only), makes the command as the caller's own child
//! and is gone. The caller stays on the host, out of the container's sight.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use rustix::process::{PidfdFlags, pidfd_open};

use super::channel::{Channel, Message};
use super::raw::{self, Cloned};
use super::{execute, user};
use crate::error::{Context, Error, Exit, Result};
use crate::layout::Layout;
use crate::plan::{IdRange, Init, MAIN_PID, Namespaces, Plan, Process};

/// The container's main process, checked to be one of its unit.
#[derive(Debug)]
pub struct Target {
    pidfd: OwnedFd,
    cgroup: PathBuf,
}

impl Target {
    /// Finds it without asking systemd: its number is noted at hand-over, and its cgroup proves that it still is the one.
    pub fn find(layout: &Layout, name: &str) -> Result<Self> {
        let not_running = || Error::new(Exit::NotRunning, format!("{name} is not running"));
        let noted = fs::read_to_string(layout.state(name).join(MAIN_PID)).map_err(|_| not_running())?;
        let pid: i32 = noted.trim().parse().map_err(|_| not_running())?;
        Self::of(name, Pid::from_raw(pid))
    }

    /// The same for a process that systemd has named.
    pub fn of(name: &str, pid: Pid) -> Result<Self> {
        let not_running = || Error::new(Exit::NotRunning, format!("{name} is not running"));
        let number = rustix::process::Pid::from_raw(pid.as_raw()).ok_or_else(not_running)?;
        // Opened first: what is read of the number afterwards is of this process, or it has ended and setns says so.
        let pidfd = pidfd_open(number, PidfdFlags::empty()).map_err(|_| not_running())?;
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).map_err(|_| not_running())?;
        let path = groups.lines().find_map(|line| line.strip_prefix("0::")).ok_or_else(not_running)?;
        let unit = format!("soute@{name}.service");
        let end = path.find(&unit).map(|start| start + unit.len()).ok_or_else(not_running)?;
        Ok(Self { pidfd, cgroup: PathBuf::from(format!("/sys/fs/cgroup{}", &path[..end])) })
    }
}

/// Runs a command as `systemctl reload` and health checks do: nothing on stdin, output into the journal.
pub fn run_inside(plan: &Plan, pid: Pid, argv: &[String]) -> Result<i32> {
    let target = Target::of(&plan.name, pid)?;
    let process = Process { argv: argv.to_vec(), terminal: false, ..plan.sandbox.process.clone() };
    let child = spawn(&target, plan, &process)?;
    wait(child)
}

/// Starts a command in the container, as a child of ours.
pub fn spawn(target: &Target, plan: &Plan, process: &Process) -> Result<Pid> {
    let (ours, theirs) = Channel::pair()?;
    let group = Group::of(target, plan)?;
    match raw::clone3(0, Some(group.directory.as_fd())).context("cannot enter the container's cgroup")? {
        Cloned::Child => {
            drop(ours);
            join(target, plan, process, theirs)
        }
        Cloned::Parent(joiner) => {
            drop(theirs);
            let joiner = Pid::from_raw(joiner.as_raw_nonzero().get());
            started(&ours, joiner)
        }
    }
}

/// Waits for a command; a signal counts as 128 and its number, as a shell has it.
pub fn wait(child: Pid) -> Result<i32> {
    loop {
        match waitpid(child, Some(WaitPidFlag::empty())) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(status),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("cannot wait for the command"),
        }
    }
}

/// Where a command goes: the unit's own group, or, where that is delegated and thus may hold no process itself, a leaf.
struct Group {
    directory: OwnedFd,
}

impl Group {
    fn of(target: &Target, plan: &Plan) -> Result<Self> {
        let mut path = target.cgroup.clone();
        if plan.sandbox.init == Init::Image {
            path.push(format!("soute-exec-{}", std::process::id()));
            fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let directory = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { directory: directory.into() })
    }
}

fn started(channel: &Channel, joiner: Pid) -> Result<Pid> {
    let first = channel.hear();
    let _ = waitpid(joiner, None);
    let child = match first? {
        Message::Started(pid) => Pid::from_raw(pid),
        Message::Failed(text) => return Err(Error::failed(text)),
        _ => return Err(Error::new(Exit::NotRunning, "the container has ended")),
    };
    match channel.hear()? {
        Message::Closed => Ok(child),
        Message::CannotExecute(text) | Message::Failed(text) => {
            let _ = waitpid(child, None);
            Err(Error::failed(text))
        }
        other => Err(Error::failed(format!("heard {other:?} from the command"))),
    }
}

fn join(target: &Target, plan: &Plan, process: &Process, channel: Channel) -> ! {
    let message = match enter(target, plan.sandbox.namespaces) {
        Err(error) => Message::Failed(error.to_string()),
        Ok(()) => match raw::clone3(libc::CLONE_PARENT as u64, None) {
            Err(errno) => Message::Failed(format!("cannot start the command: {errno}")),
            Ok(Cloned::Parent(pid)) => Message::Started(pid.as_raw_nonzero().get()),
            Ok(Cloned::Child) => become_command(plan, process, &channel),
        },
    };
    let _ = channel.say(&message);
    std::process::exit(0)
}

fn enter(target: &Target, own: Namespaces) -> Result<()> {
    // Of the namespaces that are the host's there is nothing to join, and for the user namespace it is an error.
    let flags = [
        (own.user, CloneFlags::CLONE_NEWUSER),
        (own.pid, CloneFlags::CLONE_NEWPID),
        (own.network, CloneFlags::CLONE_NEWNET),
        (own.ipc, CloneFlags::CLONE_NEWIPC),
        (own.uts, CloneFlags::CLONE_NEWUTS),
        (own.cgroup, CloneFlags::CLONE_NEWCGROUP),
        (own.time, CloneFlags::from_bits_retain(0x80)),
        (true, CloneFlags::CLONE_NEWNS),
    ];
    let flags = flags.into_iter().filter(|(own, _)| *own).fold(CloneFlags::empty(), |all, (_, flag)| all | flag);
    // Nobody in there may look into this process: it still has the host's memory.
    nix::sys::prctl::set_dumpable(false).context("cannot hide from the container")?;
    setns(&target.pidfd, flags).context("cannot enter the container")
}

fn become_command(plan: &Plan, process: &Process, channel: &Channel) -> ! {
    let attempt = || -> Result<std::convert::Infallible> {
        if plan.sandbox.namespaces.user {
            super::inside::become_root_inside()?;
        }
        rustix::process::setsid().context("cannot start a session")?;
        raw::join_new_session_keyring().context("cannot make a session keyring")?;
        let top = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .context("cannot open the root")?;
        let limit = if plan.sandbox.namespaces.user { IdRange::COUNT } else { u32::MAX };
        let credentials = user::resolve(top.as_fd(), process, limit)?;
        execute::execute(process, &credentials)
    };
    let error = match attempt() {
        Err(error) => error,
        Ok(never) => match never {},
    };
    let _ = channel.say(&Message::CannotExecute(error.to_string()));
    std::process::exit(127)
}
