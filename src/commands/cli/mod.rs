//! The command line as a whole; what its words stand for, where it is another machine's, what is said of one that is wrong.

pub mod attach;
mod remote;
pub mod targets;
pub mod usage;
pub mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::remote::Remote;
use super::{
    apply, audit, bridge, cat, check, commit, cp, create, diff, disable, disk, doctor, down, edit, enable, events,
    exec, export, image, import, kill, list, logs, machine, network, pause, pull, reload, remove, restart, resume,
    rollback, run, scale, set, shell, show, start, stats, status, stop, unit, up, update, verify, wait,
};
use crate::error::Result;
use crate::settings::Host;

const FILES: &str = "The container NAME is described by /etc/soute/containers/NAME.toml, see soute.toml(5), and runs \
                     as the systemd unit soute@NAME.service, see soute(8).";

/// Containers as plain systemd units.
#[derive(Debug, Parser)]
#[command(name = "soute", version, max_term_width = 100, disable_help_subcommand = true, after_help = FILES)]
pub struct Cli {
    /// Look for all of soute's files below DIR.
    #[arg(long, value_name = "DIR", default_value = "/", env = "SOUTE_ROOT", global = true, hide_env_values = true)]
    #[arg(display_order = 900)]
    pub root: PathBuf,
    /// Run the command on another machine, over ssh(1): HOST, USER@HOST or ssh://USER@HOST:PORT. Before the command.
    #[arg(short = 'H', long, value_name = "HOST", display_order = 901)]
    host: Option<Remote>,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write the definition of a container.
    ///
    /// To /etc/soute/containers/NAME.toml, once it has been checked; nothing is started, and no definition is written
    /// over. Each flag is a key of soute.toml(5).
    Create(Box<create::Create>),
    /// Run a command in a new container that goes when it ends.
    ///
    /// On a fresh copy of the image. Standard input, output and error are the caller's, signals and the window size are
    /// passed on, and the exit status is the command's. Flags of the command's own come after it.
    Run(Box<run::Run>),
    /// Start containers and wait until they are ready.
    ///
    /// What they require is started first. One that runs is left as it is; one whose disk is not there yet gets a copy of
    /// its image.
    Start(start::Start),
    /// Stop containers; disks and definitions are kept.
    ///
    /// Containers that require one of them are stopped before it.
    Stop(stop::Stop),
    /// Start containers again, as their definitions are now.
    ///
    /// `systemctl restart soute@NAME` would start what was started before. What was stopped because it requires one of
    /// them is started again too.
    Restart(restart::Restart),
    /// Start groups, containers, or all definitions of a directory.
    ///
    /// In the order that they ask for. The definitions of a directory are linked into /etc/soute/containers, where the
    /// host finds them at boot too; with --with prod, DIR/NAME.prod.toml is a drop-in of NAME. A group's name is that
    /// which its containers have as group, see soute.toml(5).
    Up(up::Up),
    /// Stop groups, containers, or all definitions of a directory.
    ///
    /// In the reverse order. Disks, definitions and links stay, unless --remove says otherwise.
    Down(down::Down),
    /// Change how many containers a definition makes.
    ///
    /// Says it as replicas in the definition, whose comments stay, or in a drop-in where the definition is not in
    /// /etc/soute. New ones are started before any is stopped.
    Scale(scale::Scale),
    /// Put containers on a new disk, with a way back.
    ///
    /// A copy of the image that --image names, or of their own as it is now. It is made beside the old one while the container
    /// runs; then that is stopped, started on the new disk, and watched. If it is not ready in time, or not healthy where its
    /// definition has a check, or ends soon, it is started on the old disk again, and the exit status is not 0. Else the old
    /// disk is kept, for `soute rollback`, until `soute disk prune` or the next update. Volumes and other mounts stay what
    /// they are, and so do the ids. --image changes the definition, whose comments stay. A container that does not run gets
    /// the disk, and is not started.
    Update(update::Update),
    /// Take back the last update of containers.
    ///
    /// The old disk and the old image in the definition come back, at once and without the image or its registry; done again
    /// it goes forward again. One that runs is started again, with those that require it. What it has written to its disk
    /// since the update stays on the other disk.
    Rollback(rollback::Rollback),
    /// Make containers read their configuration again.
    ///
    /// By the signal or the command below `[reload]` in the definition.
    Reload(reload::Reload),
    /// Suspend every process of containers.
    ///
    /// By the kernel's freezer: nobody inside notices but by the clock. Memory and connections stay. A paused container can
    /// be stopped.
    Pause(pause::Pause),
    /// Let paused containers run again.
    Resume(resume::Resume),
    /// Send a signal to containers.
    Kill(kill::Kill),
    /// Wait until containers have ended.
    ///
    /// Prints the exit status of each, or 128 and the number of the signal that ended it.
    Wait(wait::Wait),
    /// List containers.
    ///
    /// BOOT is what starts the container at boot: autostart in its definition, or systemctl enable (enabled). STATE tells
    /// besides how a container ended, and if it is changed (its definition, since the start), invalid (its definition, see
    /// check), weakened (less isolated than by default), unverified (its image) or orphan (a disk without a definition).
    #[command(visible_aliases = ["ls", "ps"])]
    List(list::List),
    /// Show everything about a container.
    Status(status::Status),
    /// Show what running containers use.
    ///
    /// CPU in percent of one CPU, memory and tasks with their limits, rates of disks and links, and how much of the last ten
    /// seconds somebody in it waited for CPU, memory and I/O. What this kernel does not count is shown as -.
    Stats(stats::Stats),
    /// Show what happens to containers.
    ///
    /// A line for each event, as it comes, until interrupted: starting, ready, reloaded, stopping, stopped, failed, restarting,
    /// frozen, thawed, healthy, unhealthy and changed (by apply or set). Live they come from systemd's signals and from the
    /// containers' states, so that no other process is needed. With --since, events of the past come first, from the journal;
    /// those also have out-of-memory, and frozen only where soute pause has done it.
    Events(events::Events),
    /// Run a command in a running container.
    ///
    /// It has the namespaces, limits and privileges of the payload. Flags of the command's own come after --.
    Exec(exec::Exec),
    /// Open a shell in a running container.
    Shell(shell::Shell),
    /// Show the log of a container, by journalctl.
    ///
    /// Everything after NAME goes to journalctl.
    Logs(logs::Logs),
    /// Check definitions, and show every fault where it is written.
    ///
    /// Each alone, and all against each other. Warnings are shown and do not count as faults: many are of words that make
    /// a container less safe. What a running one really has, audit tells.
    Check(check::Check),
    /// Show what stands between definitions and what runs, and what each change costs.
    ///
    /// A line for each field that differs: live, where apply does it while the container runs; restart; recreate, where
    /// the container needs a new disk; or drift, where somebody else has changed what runs. FROM is where the new value is
    /// written. Nothing is shown, and the exit status is 0, where nothing differs; else it is 7.
    Diff(diff::Diff),
    /// Make what runs what the definitions say, without stopping it.
    ///
    /// Shows first what differs, as diff does, then does what is live: limits, addresses, routes, bridges, resolv.conf and
    /// hosts change while the container runs, and its connections stay. For each container all of that is done, or nothing.
    /// What needs a restart is left, unless --restart is given; what needs a new disk, unless --recreate is given too. Done
    /// again it does nothing, from a timer or a script. Exit status 7 if something still differs.
    Apply(apply::Apply),
    /// Compare what runs with what is written, by systemd's word and the kernel's.
    ///
    /// What diff shows, and besides every property of the unit, the files of its cgroup, its links, addresses and routes and
    /// its mounts, held against the snapshot of what was started and applied. Nothing is shown, and the exit status is 0,
    /// where all is as it should be; else it is 7.
    Verify(verify::Verify),
    /// Report what running containers can do, and hold it against their definitions.
    ///
    /// Namespaces, ids, capabilities, filters, mounts, devices, limits, links and open files of every process of the
    /// container, as the kernel has them: a line each, which begins with ok; weaker, where the definition says so by the
    /// key that is named; or WRONG, where it does not. Exit status 7 if anything is WRONG. See soute-security(7).
    Audit(audit::Audit),
    /// Say what on this host stops or weakens containers; prove that a command leaves the host as it was.
    ///
    /// Kernel, control groups, systemd, the store and its file system, packet rules that meet bridged frames, limits that
    /// many containers share, networkd's configuration, definitions: a line each, ok, warning or PROBLEM, with what to do.
    /// Nothing is changed. Exit status 1 for a PROBLEM.
    ///
    /// With --prove: nf_tables and the older tables, routes and rules of all routing tables, links, addresses, queueing
    /// disciplines and /proc/sys are read before and after CMD, and every difference is shown: exit status 7. Links that
    /// soute made are none, nor is what counts by itself. Exit status 1 where CMD fails and nothing differs.
    Doctor(doctor::Doctor),
    /// Show a merged definition, and where each value comes from.
    Show(show::Show),
    /// Show the files of a definition.
    Cat(cat::Cat),
    /// Show the unit that is running, or would be.
    Unit(unit::Unit),
    /// Edit a definition, and check it before it is saved.
    Edit(edit::Edit),
    /// Change keys of a definition, and apply them.
    ///
    /// As in `soute set web limits.memory=1G network.eth0.mtu=1400`. The file keeps its comments; where it is not in
    /// /etc/soute, a drop-in there is changed. What would make the definition invalid is refused. Then as apply.
    Set(set::Set),
    /// Make containers start at boot.
    ///
    /// By autostart = true in the definition, whose comments stay, or in a drop-in where the definition is not in
    /// /etc/soute.
    Enable(enable::Enable),
    /// Keep containers from starting at boot.
    ///
    /// By autostart = false in a definition that says true; what systemctl enable has made goes too.
    Disable(disable::Disable),
    /// Remove containers: definition and disk.
    ///
    /// Volumes stay, and so does the image.
    #[command(visible_alias = "rm")]
    Remove(remove::Remove),
    /// Fetch the images of containers from where their definitions say.
    ///
    /// A start never does, unless image.pull says so. What runs keeps what it has.
    Pull(pull::Pull),
    /// Bring images into the store, show, copy out and remove them.
    Image(image::Image),
    /// Draw bridges, what is plugged into each, and the addresses of both.
    ///
    /// Other programs' ports too, and links of the host that are parents of containers' (kind = "macvlan" and the like). A
    /// container's link whose bridge has gone is drawn in no bridge.
    Network(network::Network),
    /// Make, list and remove bridges.
    Bridge(bridge::Bridge),
    /// List, count, keep, bring back, grow and reset what containers run on.
    Disk(disk::Disk),
    /// Write a container to a file, for another machine.
    ///
    /// With the files of its definition, and what its image is: the other machine has to have it, or to pull it. With --disk
    /// also what the container has written, and with --volumes its volumes. defaults.toml and files that the definition only
    /// names are the host's, and are not in it.
    Export(export::Export),
    /// Make the container that such a file has.
    ///
    /// It is as the file says, under ids of this machine's. It can ask for all that a definition can: its warnings are
    /// shown, and it is not started.
    Import(import::Import),
    /// Copy files between a container and the host, or two containers.
    ///
    /// A directory goes with all that is in it: to TARGET itself where that is not there, into it where it is, and with
    /// SOURCE/. only what is in SOURCE. A symbolic link as SOURCE is followed, inside the container; those below it are
    /// copied. Of a running container the volumes and other mounts are seen, of a stopped one its disk alone. Devices, FIFOs
    /// and sockets are left out. What comes to the host loses set-user-ID bits and file capabilities.
    Cp(cp::Cp),
    /// Make an image of a stopped container's disk.
    ///
    /// It has what is on the disk now, under ids that count from 0, and declares what the image declares that the disk is a
    /// copy of. A container that runs is refused.
    Commit(commit::Commit),
    /// What systemd does for systemd-machined.
    #[command(hide = true)]
    Machine(machine::Verbs),
}

impl Cli {
    /// Here, or over there.
    pub fn run(self) -> Result<ExitCode> {
        match (self.host, self.verb.files()) {
            (None, _) => self.verb.run(&Host::load(&self.root)?),
            (Some(remote), Some(files)) => Err(remote.refuse(files)),
            (Some(remote), None) => Err(remote.run()),
        }
    }
}

impl Verb {
    /// What it does with files of the machine that it is typed on, where it does; and what to do instead.
    fn files(&self) -> Option<&'static str> {
        const COPIED: &str = "say - for FILE, and redirect";
        match self {
            Self::Cp(verb) => verb.has_files().then_some("say - for an archive, and pipe it from or to tar"),
            Self::Import(verb) => verb.has_files().then_some(COPIED),
            Self::Export(verb) => verb.has_files().then_some(COPIED),
            Self::Image(verb) => verb.files(),
            Self::Check(verb) => verb.has_files().then_some("name a definition of its"),
            Self::Up(verb) => verb.is_relative().then_some("say where DIR is there, from / on"),
            _ => None,
        }
    }

    /// Does it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        match self {
            Self::Create(verb) => verb.run(host),
            Self::Run(verb) => verb.run(host),
            Self::Start(verb) => verb.run(host),
            Self::Stop(verb) => verb.run(host),
            Self::Restart(verb) => verb.run(host),
            Self::Up(verb) => verb.run(host),
            Self::Down(verb) => verb.run(host),
            Self::Scale(verb) => verb.run(host),
            Self::Update(verb) => verb.run(host),
            Self::Rollback(verb) => verb.run(host),
            Self::Reload(verb) => verb.run(host),
            Self::Pause(verb) => verb.run(host),
            Self::Resume(verb) => verb.run(host),
            Self::Kill(verb) => verb.run(host),
            Self::Wait(verb) => verb.run(host),
            Self::List(verb) => verb.run(host),
            Self::Status(verb) => verb.run(host),
            Self::Stats(verb) => verb.run(host),
            Self::Events(verb) => verb.run(host),
            Self::Exec(verb) => verb.run(host),
            Self::Shell(verb) => verb.run(host),
            Self::Check(verb) => verb.run(host),
            Self::Diff(verb) => verb.run(host),
            Self::Apply(verb) => verb.run(host),
            Self::Verify(verb) => verb.run(host),
            Self::Audit(verb) => verb.run(host),
            Self::Doctor(verb) => verb.run(host),
            Self::Show(verb) => verb.run(host),
            Self::Cat(verb) => verb.run(host),
            Self::Unit(verb) => verb.run(host),
            Self::Edit(verb) => verb.run(host),
            Self::Set(verb) => verb.run(host),
            Self::Enable(verb) => verb.run(host),
            Self::Disable(verb) => verb.run(host),
            Self::Remove(verb) => verb.run(host),
            Self::Machine(verb) => verb.run(host),
            Self::Pull(verb) => verb.run(host),
            Self::Image(verb) => verb.run(host),
            Self::Network(verb) => verb.run(host),
            Self::Bridge(verb) => verb.run(host),
            Self::Disk(verb) => verb.run(host),
            Self::Export(verb) => verb.run(host),
            Self::Import(verb) => verb.run(host),
            Self::Cp(verb) => verb.run(host),
            Self::Commit(verb) => verb.run(host),
            Self::Logs(verb) => verb.run(host),
        }
    }
}
