//! The runner's side of a start: everything that needs the host, then the hand-over of the payload to systemd, then nothing.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

use super::channel::{Channel, Message};
use super::notify::{Manager, PayloadSocket};
use super::raw::{self, Cloned};
use super::share::Shared;
use super::sources::Sources;
use super::{cgroup, clean, copy, inside, stop};
use crate::definition::types::escaped;
use crate::dhcp;
use crate::error::{Context, Error, Exit, Result};
use crate::file;
use crate::health;
use crate::instances::{self, Instance};
use crate::layout::Layout;
use crate::names;
use crate::network::{Asked, InUse, Netlink};
use crate::plan::{IdRange, Init, LENT, Link, LinkKind, MAIN_PID, Namespaces, Plan, Ready};

/// How often one that starts is asked whether it is healthy, where it is not asked more often later.
const ASKED: Duration = Duration::from_secs(1);

/// Starts a container: returns when its payload is systemd's child and main process, and ready.
pub fn start(layout: &Layout, name: &str, probe: bool) -> Result<()> {
    let systemd = Manager::from_environment()?;
    build(layout, name, probe, &systemd).inspect_err(|error| {
        let errno = match error.exit() {
            Exit::CommandNotFound => format!("\nERRNO={}", libc::ENOENT),
            Exit::CannotInvoke => format!("\nERRNO={}", libc::EACCES),
            _ => String::new(),
        };
        // When systemd cannot be told, it sees the failure all the same.
        // systemctl prints it as it is, and a program's name in it may be an image's.
        let text = escaped(&error.to_string().replace('\n', "; "));
        let _ = systemd.tell(&format!("STATUS={text}{errno}")).and_then(|()| systemd.barrier());
    })
}

fn build(layout: &Layout, name: &str, probe: bool, systemd: &Manager) -> Result<()> {
    let plan = Plan::read(&layout.state(name))?;
    if plan.sandbox.process.terminal {
        // systemd has made it ours (exec_child, setup_input), and a terminal controls one session: the payload's is to be it.
        raw::release_terminal(rustix::stdio::stdin());
    }
    clean::leftovers(layout, &plan);
    health::begin(layout, &plan)?;
    copy::make_disk(layout, &plan, systemd)?;
    // Answers come while the container is built.
    let asked = probe.then(|| Asked::of(&plan.links)).flatten();
    let (sources, socket) = Sources::open(layout, &plan)?;
    let joined = plan.sandbox.joins.as_ref().map(|other| Shared::join(layout, name, other)).transpose()?;
    let (ours, theirs) = Channel::pair()?;
    // Lives until this process ends, and tells the payload so.
    let (_end, runner) = Channel::pair()?;
    let payload = match raw::clone3(clone_flags(plan.sandbox.namespaces), None).context("cannot make the namespaces")? {
        Cloned::Child => {
            drop((ours, _end));
            inside::become_payload(&plan, &sources, theirs, runner)
        }
        Cloned::Parent(pid) => Payload { pid },
    };
    drop(theirs);
    payload.prepare(layout, &plan, &sources, &ours, asked)?;
    joined.map_or(Ok(()), |other| other.is_still_its())?;
    drop(sources);
    if plan.sandbox.ready == Ready::Healthy {
        return payload.hand_over_healthy(layout, &plan, systemd, &ours);
    }
    let Some(socket) = socket else {
        payload.hand_over(layout, &plan, systemd, &ours)?;
        if plan.sandbox.ready == Ready::Notify {
            // The payload says so to systemd itself.
            return Ok(());
        }
        systemd.tell("READY=1")?;
        return systemd.barrier();
    };
    let given_up = GivenUp::blocked(plan.sandbox.stop_signal)?;
    payload.hand_over(layout, &plan, systemd, &ours)?;
    if pass_on_until_ready(systemd, &socket, &given_up)? {
        return Ok(());
    }
    payload.give_up(layout, &plan)?;
    Err(Error::failed("READY=1 has not come"))
}

/// The process that becomes the payload.
struct Payload {
    pid: Pid,
}

impl Payload {
    /// Ids, mounts and links, while the other side builds its tree.
    fn prepare(
        &self,
        layout: &Layout,
        plan: &Plan,
        sources: &Sources,
        channel: &Channel,
        mut asked: Option<Asked>,
    ) -> Result<()> {
        if let Some(ids) = plan.disk.ids {
            self.write_id_maps(ids)?;
            sources.map_ids(plan, &self.open("ns/user")?)?;
        }
        if plan.sandbox.init == Init::Image {
            cgroup::hand_over(plan.disk.ids)?;
        }
        channel.say(&Message::Mapped)?;
        let mut netlink = None;
        if !plan.links.is_empty() {
            let netns = self.open("ns/net")?;
            let host = netlink.insert(Netlink::open()?);
            note_cards(layout, plan, host)?;
            for link in &plan.links {
                host.attach(link, netns.as_fd())?;
            }
        }
        // Before the container has an address that is another's; and once more for who is slow to answer.
        let mut refuse = || -> Result<()> {
            let found = asked.as_mut().and_then(|asked| in_use(layout, asked));
            found.map_or(Ok(()), |found| Err(found.into()))
        };
        refuse()?;
        channel.say(&Message::Wired)?;
        if !dhcp::is_asked(plan) {
            self.announce(layout, plan)?;
        }
        channel.expect(&Message::Built)?;
        netlink.map_or(Ok(()), |mut host| host.wait_for_ports(&plan.links))?;
        refuse()?;
        drop(asked);
        if dhcp::is_asked(plan) {
            let leased = dhcp::begin(layout, plan, &self.open("ns/net")?, &self.open("root")?)?;
            self.announce(layout, &leased)?;
        }
        Ok(())
    }

    /// Who asks for it by name finds it, and it whom it asks for, before it says that it is ready.
    fn announce(&self, layout: &Layout, plan: &Plan) -> Result<()> {
        let pid = self.pid.as_raw_nonzero().get();
        instances::add(layout, &Instance::now(&plan.name, &plan.image.name, pid, plan.addresses()))?;
        names::join(layout, plan)
    }

    /// The payload becomes MainPID before it may run, so that systemd never misses how it ends: it is systemd's direct
    /// child already (CLONE_PARENT), and the barrier says that systemd knows.
    fn hand_over(&self, layout: &Layout, plan: &Plan, systemd: &Manager, channel: &Channel) -> Result<()> {
        let pid = self.pid.as_raw_nonzero().get();
        file::write(&layout.state(&plan.name).join(MAIN_PID), pid.to_string().as_bytes(), 0o600)
            .context("cannot note the main process")?;
        systemd.tell(&format!("MAINPID={pid}"))?;
        systemd.barrier()?;
        // The payload may be over 0.1 ms from now, and systemd takes one that ended before it was ready for a failed start:
        // READY=1 must not wait for a processor. Some kernels give no real-time to a unit; then it may have to.
        let _ = raw::go_first();
        channel.say(&Message::Go)?;
        match channel.hear()? {
            Message::Closed => Ok(()),
            Message::CannotExecute(exit, text) => Err(Error::new(exit, text)),
            Message::Failed(text) => Err(Error::failed(text)),
            other => Err(Error::failed(format!("heard {other:?} from the payload"))),
        }
    }

    /// The same, and ready once a check has succeeded: asked until then, or until systemd gives the start up.
    fn hand_over_healthy(&self, layout: &Layout, plan: &Plan, systemd: &Manager, channel: &Channel) -> Result<()> {
        let given_up = GivenUp::blocked(plan.sandbox.stop_signal)?;
        self.hand_over(layout, plan, systemd, channel)?;
        // More often than later: others wait for it.
        let pause = plan.health.as_ref().map_or(ASKED, |health| health.interval.min(ASKED));
        while !health::is_reached(layout, plan)? {
            if given_up.within(pause)? {
                self.give_up(layout, plan)?;
                return Err(Error::failed("it has not become healthy"));
            }
        }
        systemd.tell("READY=1")?;
        systemd.barrier()
    }

    fn give_up(&self, layout: &Layout, plan: &Plan) -> Result<()> {
        stop::note(layout, &plan.name)?;
        stop::kill_the_deaf(plan, nix::unistd::Pid::from_raw(self.pid.as_raw_nonzero().get()))
    }

    fn write_id_maps(&self, ids: IdRange) -> Result<()> {
        for map in ["uid_map", "gid_map"] {
            std::fs::write(self.path(map), ids.map_line()).with_context(|| format!("cannot write {map}"))?;
        }
        Ok(())
    }

    fn open(&self, file: &str) -> Result<OwnedFd> {
        File::open(self.path(file)).map(OwnedFd::from).with_context(|| format!("cannot open {file} of the payload"))
    }

    fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.pid.as_raw_nonzero()))
    }
}

/// Who else has an address of the container's, as far as that is known by now.
fn in_use(layout: &Layout, asked: &mut Asked) -> Option<InUse> {
    asked.found(|host_name| names::has_ended(layout, host_name))
}

/// The host's names of network cards, before it loses them.
fn note_cards(layout: &Layout, plan: &Plan, netlink: &mut Netlink) -> Result<()> {
    let is_card = |link: &&Link| matches!(link.kind, LinkKind::Device { .. });
    let cards: Vec<&str> = plan.links.iter().filter(is_card).filter_map(Link::parent).collect();
    if cards.is_empty() {
        return Ok(());
    }
    let lent = cards.iter().filter_map(|card| netlink.lent(card).transpose()).collect::<Result<Vec<_>>>()?;
    let text = serde_json::to_vec(&lent).map_err(Error::failed)?;
    file::write(&layout.state(&plan.name).join(LENT), &text, 0o600).context("cannot note the network cards")
}

fn clone_flags(namespaces: Namespaces) -> u64 {
    /// linux/sched.h; in the bits of CSIGNAL, hence clone3(2) only.
    const CLONE_NEWTIME: libc::c_int = 0x80;
    let own = [
        (namespaces.user, libc::CLONE_NEWUSER),
        (namespaces.pid, libc::CLONE_NEWPID),
        (namespaces.network, libc::CLONE_NEWNET),
        (namespaces.ipc, libc::CLONE_NEWIPC),
        (namespaces.uts, libc::CLONE_NEWUTS),
        (namespaces.cgroup, libc::CLONE_NEWCGROUP),
        (namespaces.time, CLONE_NEWTIME),
        (true, libc::CLONE_NEWNS),
        (true, libc::CLONE_PARENT),
    ];
    own.into_iter().filter(|(own, _)| *own).fold(0, |flags, (_, flag)| flags | flag as u64)
}

/// The stop signal as a descriptor. systemd sends it to everyone in the unit when it gives up a start, and runs no
/// ExecStop=: what that does for a payload that would not hear of it falls to the runner. None for a real-time signal.
struct GivenUp(Option<SignalFd>);

impl GivenUp {
    fn blocked(signal: i32) -> Result<Self> {
        let Ok(signal) = Signal::try_from(signal) else { return Ok(Self(None)) };
        let set = SigSet::from(signal);
        set.thread_block().context("cannot block the stop signal")?;
        SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).map(|fd| Self(Some(fd))).context("cannot read signals")
    }

    /// Whether it comes within that time.
    fn within(&self, pause: Duration) -> Result<bool> {
        let Some(signal) = &self.0 else {
            std::thread::sleep(pause);
            return Ok(false);
        };
        let pause = Timespec { tv_sec: pause.as_secs().cast_signed(), tv_nsec: pause.subsec_nanos().into() };
        let mut waiting = [PollFd::new(signal, PollFlags::IN)];
        let come = rustix::io::retry_on_intr(|| poll(&mut waiting, Some(&pause)));
        come.map(|come| come > 0).context("cannot wait for signals")
    }
}

/// Passes on what the payload says: true at READY=1, false when systemd no longer waits for it.
fn pass_on_until_ready(systemd: &Manager, socket: &PayloadSocket, given_up: &GivenUp) -> Result<bool> {
    loop {
        let mut waiting = vec![PollFd::new(socket, PollFlags::IN)];
        waiting.extend(given_up.0.iter().map(|signal| PollFd::new(signal, PollFlags::IN)));
        rustix::io::retry_on_intr(|| poll(&mut waiting, None)).context("cannot wait for the payload")?;
        if waiting[1..].iter().any(|signal| !signal.revents().is_empty()) {
            return Ok(false);
        }
        let lines = socket.hear()?;
        if !lines.is_empty() {
            systemd.tell(&lines.join("\n"))?;
        }
        if lines.iter().any(|line| line == "READY=1") {
            systemd.barrier()?;
            return Ok(true);
        }
    }
}
