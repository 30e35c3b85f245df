//! Processes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, StatxFlags, openat, readlinkat, statat, statx};
use rustix::io::Errno;

use super::tables;
use crate::audit::facts::{Capabilities, Host, NAMESPACES, Namespaces, NodeKind, Open, Process, Stray, is_below};
use crate::error::{Context, Result};

/// A hundred thousand mounts (fs.mount-max) with long paths.
const LARGEST: u64 = 64 << 20;

/// /proc/PID, which goes with its process, and never becomes another's.
#[derive(Debug)]
pub struct Proc {
    pub pid: i32,
    dir: OwnedFd,
}

impl Proc {
    pub fn open(pid: i32) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())
            .with_context(|| format!("cannot look at process {pid}"))?;
        Ok(Self { pid, dir })
    }

    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// A file of the kernel's. Names of processes and of files may be anything.
    pub fn text(&self, file: &str) -> Result<String> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let fd = openat(&self.dir, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            File::from(fd).take(LARGEST).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().with_context(|| format!("cannot read /proc/{}/{file}", self.pid))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub fn namespaces(&self) -> Result<Namespaces> {
        let inode = |kind: &'static str| match statat(&self.dir, format!("ns/{kind}"), AtFlags::empty()) {
            Ok(stat) => Some(Ok((kind, stat.st_ino))),
            // A kernel without time namespaces.
            Err(Errno::NOENT) if kind == "time" => None,
            Err(errno) => Some(Err(errno).with_context(|| format!("cannot read /proc/{}/ns/{kind}", self.pid))),
        };
        NAMESPACES.into_iter().filter_map(inode).collect()
    }

    pub fn id_map(&self, file: &str) -> Result<Vec<[u64; 3]>> {
        Ok(tables::id_map(&self.text(file)?))
    }

    pub fn cgroup(&self) -> Result<String> {
        let text = self.text("cgroup")?;
        Ok(text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned())
    }

    fn command(&self) -> String {
        self.text("comm").unwrap_or_default().trim_end().to_owned()
    }
}

/// All of a cgroup and of those below it, the main process first. Who ends meanwhile is none of them.
pub fn all(main: &Proc, group: &Path) -> Result<Vec<Process>> {
    let mut list = vec![one(main)?];
    for pid in super::cgroup::processes(group)? {
        if pid != main.pid
            && let Ok(proc) = Proc::open(pid)
            && let Ok(process) = one(&proc)
        {
            list.push(process);
        }
    }
    Ok(list)
}

fn one(proc: &Proc) -> Result<Process> {
    let mut process = Process {
        pid: proc.pid,
        command: proc.command(),
        namespaces: proc.namespaces()?,
        uid_map: proc.id_map("uid_map")?,
        gid_map: proc.id_map("gid_map")?,
        uid: u64::MAX,
        no_new_privileges: true,
        seccomp: (u32::MAX, None),
        label: label(proc),
        limits: tables::limits(&proc.text("limits")?),
        ..Process::default()
    };
    // Each thread has credentials and filters of its own, and the weakest counts.
    for thread in names(proc, "task")? {
        if let Ok(text) = proc.text(&format!("task/{thread}/status")) {
            add_thread(&mut process, &tables::status(&text));
        }
    }
    Ok(process)
}

fn add_thread(process: &mut Process, status: &BTreeMap<String, String>) {
    let set = |key: &str| status.get(key).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(u64::MAX);
    let number = |key: &str| status.get(key).and_then(|text| tables::number::<u32>(text));
    // Real, effective, saved, and of the file system.
    let effective = status.get("Uid").and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok());
    process.uid = process.uid.min(effective.unwrap_or(0));
    let all = &mut process.capabilities;
    *all = Capabilities {
        bounding: all.bounding | set("CapBnd"),
        permitted: all.permitted | set("CapPrm"),
        effective: all.effective | set("CapEff"),
        inheritable: all.inheritable | set("CapInh"),
        ambient: all.ambient | set("CapAmb"),
    };
    process.no_new_privileges &= number("NoNewPrivs") == Some(1);
    process.seccomp = process.seccomp.min((number("Seccomp").unwrap_or(0), number("Seccomp_filters")));
}

/// AppArmor's or SELinux's; empty where no module has one.
fn label(proc: &Proc) -> String {
    let text = proc.text("attr/apparmor/current").or_else(|_| proc.text("attr/current")).unwrap_or_default();
    text.trim_end_matches(['\n', '\0']).to_owned()
}

fn names(proc: &Proc, directory: &str) -> Result<Vec<String>> {
    let open = || -> rustix::io::Result<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = Dir::new(openat(&proc.dir, directory, flags, Mode::empty())?)?;
        let names = dir.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names: rustix::io::Result<Vec<_>> = names.collect();
        Ok(names?.into_iter().filter(|name| !name.starts_with('.')).collect())
    };
    open().with_context(|| format!("cannot list /proc/{}/{directory}", proc.pid))
}

/// Processes in the container's PID namespace and outside its unit: they have its view, and not its limits.
pub fn strays(processes: &[Process], host: &Host, group: &str) -> Vec<Stray> {
    let of = |namespaces: &Namespaces| namespaces.get("pid").copied();
    let Some(own) = processes.first().map(|main| of(&main.namespaces)) else { return Vec::new() };
    if own == of(&host.namespaces) {
        return Vec::new();
    }
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let stray = |pid| {
        let proc = Proc::open(pid).ok()?;
        let stat = statat(proc.dir(), "ns/pid", AtFlags::empty()).ok()?;
        let cgroup = proc.cgroup().ok()?;
        let outside = Some(stat.st_ino) == own && !is_below(&cgroup, group);
        outside.then(|| Stray { pid, command: proc.command(), cgroup })
    };
    pids.filter_map(stray).collect()
}

/// What a process holds: its descriptors, its directory, its root, its program.
pub fn open_files(proc: &Proc) -> Vec<Open> {
    let descriptors =
        names(proc, "fd").unwrap_or_default().into_iter().map(|fd| (format!("fd {fd}"), format!("fd/{fd}")));
    let others = ["cwd", "root", "exe"].map(|name| (name.to_owned(), name.to_owned()));
    let open = |(name, link): (String, String)| {
        let path = readlinkat(&proc.dir, &link, Vec::new()).ok()?.to_string_lossy().into_owned();
        // The kernel's own link leads to the very file; nothing of it is opened.
        let file = openat(&proc.dir, &link, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        let mount = statx(&file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?.stx_mnt_id;
        Some(Open { name, path, kind: NodeKind::of(&stat), mount })
    };
    descriptors.chain(others).filter_map(open).collect()
}
