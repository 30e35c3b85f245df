//! The mounts of a container as data: which, where, and in what order. Made by a pure function, done by `perform`.

use crate::plan::{Init, Mount, MountFlags, MountSource, Sandbox, THERMAL_THROTTLE};

/// One thing to do to the container's tree, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A fresh proc of the container's pid namespace.
    Proc,
    /// A fresh read-only sysfs of its network namespace.
    Sys,
    /// The control groups below the unit's own; writable where they are delegated.
    Cgroup {
        /// Whether the container may make groups of its own.
        writable: bool,
    },
    /// A minimal /dev with its own devpts, shm and mqueue.
    Dev,
    /// Memory.
    Tmpfs {
        /// Where.
        target: String,
        /// Bytes.
        size: Option<u64>,
        /// Permission bits.
        mode: u32,
        /// Flags.
        flags: MountFlags,
    },
    /// A bind that the runner has opened and mapped, by its place among the plan's mounts.
    Prepared {
        /// Its place.
        index: usize,
        /// Where.
        target: String,
    },
    /// /run/host: what the container may know of its manager, and the notify socket.
    Host {
        /// The payload gets a notify socket.
        notify: bool,
    },
    /// The unit that asks its questions on a console, masked where there is none: at the first boot of an image it would
    /// fail, and the system be degraded.
    Unattended,
    /// A generated file over one of the image.
    File {
        /// Which of the plan's files.
        index: usize,
        /// Where.
        target: String,
    },
    /// A device node, by its place among the plan's devices.
    Device {
        /// Its place.
        index: usize,
        /// Where.
        target: String,
    },
    /// A file or directory made empty.
    Mask(String),
    /// The same for a directory of each CPU.
    MaskThermalThrottle,
    /// A part of the kernel's file systems made read-only.
    ReadOnly {
        /// Which.
        path: String,
        /// What below it stays writable.
        except: Option<&'static str>,
    },
}

/// The operations of a sandbox, ready to be done in this order.
pub fn operations(sandbox: &Sandbox) -> Vec<Operation> {
    let boots = sandbox.init == Init::Image;
    let mut list = vec![Operation::Proc, Operation::Sys, Operation::Cgroup { writable: boots }, Operation::Dev];
    let mut placed = Vec::new();
    if boots {
        // An init mounts these itself unless they are mount points already; /run/host must lie on the one that stays.
        placed.push(tmpfs("/run", 0o755));
        placed.extend((!sandbox.process.terminal).then_some(Operation::Unattended));
    }
    if boots || sandbox.notifies() || sandbox.files.iter().any(|file| !file.kept) {
        placed.push(Operation::Host { notify: sandbox.notifies() });
    }
    placed.extend(sandbox.mounts.iter().enumerate().map(|(index, mount)| declared(index, mount)));
    let devices = sandbox.devices.iter().enumerate();
    placed.extend(devices.map(|(index, device)| Operation::Device { index, target: device.target.clone() }));
    // By depth, so that none covers another; the sort is stable: of two at one depth, the definition's order decides.
    placed.sort_by_key(|operation| depth(operation.target()));
    list.extend(placed);
    let files = sandbox.files.iter().enumerate();
    list.extend(files.map(|(index, file)| Operation::File { index, target: file.target.clone() }));
    list
}

/// What covers parts of the kernel's file systems, once everything that must be written through them has been; and of the
/// image, once everything is mounted.
pub fn covers(sandbox: &Sandbox) -> Vec<Operation> {
    let net = Some("/proc/sys/net").filter(|_| sandbox.namespaces.network);
    let read_only = sandbox.read_only.iter().map(|path| Operation::ReadOnly {
        path: path.clone(),
        // Of the container's own network, as its links are.
        except: net.filter(|net| net.starts_with(path)),
    });
    let masked = sandbox.masked.iter().map(|path| match path.as_str() {
        THERMAL_THROTTLE => Operation::MaskThermalThrottle,
        path => Operation::Mask(path.to_owned()),
    });
    read_only.chain(masked).collect()
}

fn declared(index: usize, mount: &Mount) -> Operation {
    let target = mount.target.clone();
    match mount.source {
        MountSource::Tmpfs { size, mode } => Operation::Tmpfs { target, size, mode, flags: mount.flags },
        MountSource::Bind { .. } => Operation::Prepared { index, target },
    }
}

fn tmpfs(target: &str, mode: u32) -> Operation {
    let flags = MountFlags { nosuid: true, nodev: true, ..MountFlags::default() };
    Operation::Tmpfs { target: target.to_owned(), size: None, mode, flags }
}

impl Operation {
    /// Where it takes place.
    pub fn target(&self) -> &str {
        match self {
            Self::Tmpfs { target, .. }
            | Self::Prepared { target, .. }
            | Self::Device { target, .. }
            | Self::File { target, .. }
            | Self::Mask(target) => target,
            Self::MaskThermalThrottle => "/sys/devices/system/cpu",
            Self::ReadOnly { path, .. } => path,
            Self::Proc => "/proc",
            Self::Sys => "/sys",
            Self::Cgroup { .. } => "/sys/fs/cgroup",
            Self::Dev => "/dev",
            Self::Host { .. } => "/run/host",
            Self::Unattended => "/run/systemd/system",
        }
    }
}

fn depth(target: &str) -> usize {
    target.split('/').filter(|part| !part.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::FileSource;

    fn at(target: &str) -> Mount {
        let source = MountSource::Tmpfs { size: None, mode: 0o755 };
        Mount { source, target: target.into(), flags: MountFlags::default() }
    }

    fn order(sandbox: &Sandbox) -> Vec<String> {
        operations(sandbox).iter().map(|operation| operation.target().to_owned()).collect()
    }

    #[test]
    fn mounts_are_sorted_by_depth_and_stay_in_order_otherwise() {
        let sandbox = Sandbox { mounts: ["/srv/b/c", "/srv", "/b", "/srv/a"].map(at).into(), ..Sandbox::example() };
        assert_eq!(order(&sandbox)[4..8], ["/srv", "/b", "/srv/a", "/srv/b/c"]);
    }

    #[test]
    fn a_tmpfs_on_run_does_not_hide_what_lies_below_it() {
        let files = vec![FileSource {
            target: "/etc/resolv.conf".into(),
            content: String::new(),
            after_image: false,
            kept: false,
            leased: false,
        }];
        let sandbox = Sandbox { mounts: vec![at("/run")], files, ..Sandbox::example() };
        assert_eq!(order(&sandbox)[4..7], ["/run", "/run/host", "/etc/resolv.conf"]);
    }

    #[test]
    fn a_plain_container_gets_nothing_in_run() {
        assert!(!order(&Sandbox::example()).contains(&"/run/host".to_owned()));
    }

    #[test]
    fn a_system_is_asked_nothing_without_a_terminal() {
        let mut sandbox = Sandbox { init: Init::Image, ..Sandbox::example() };
        assert!(operations(&sandbox).contains(&Operation::Unattended));
        sandbox.process.terminal = true;
        assert!(!operations(&sandbox).contains(&Operation::Unattended));
    }

    #[test]
    fn sysctls_of_the_own_network_stay_writable() {
        let masked = vec!["/proc/kcore".to_owned(), THERMAL_THROTTLE.to_owned()];
        let mut sandbox = Sandbox { masked, read_only: vec!["/proc/sys".into()], ..Sandbox::example() };
        let all = |except| {
            let sys = Operation::ReadOnly { path: "/proc/sys".into(), except };
            vec![sys, Operation::Mask("/proc/kcore".into()), Operation::MaskThermalThrottle]
        };
        assert_eq!(covers(&sandbox), all(Some("/proc/sys/net")));
        sandbox.namespaces.network = false;
        assert_eq!(covers(&sandbox), all(None));
    }
}
