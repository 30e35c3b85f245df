//! The disk and the mounts; kernel parameters, which are files of a mount too.

use super::{Subject, wrong};
use crate::definition::model::{DiskMode, Mount, MountType, Namespace, NetworkNamespace};
use crate::definition::types::{MountSource, SysctlNamespace};

pub(super) fn check(s: &mut Subject<'_>) {
    if s.says(&["disk", "tmpfs"]) && s.definition.disk.mode != DiskMode::ReadOnly {
        let fault = wrong("disk.tmpfs is for mode = \"read-only\"").help("use [[mount]] with type = \"tmpfs\"");
        s.say_key(&["disk", "tmpfs"], fault);
    }
    if s.says(&["disk", "size"]) && s.definition.disk.mode == DiskMode::ReadOnly {
        let fault = wrong("disk.size is for a disk of the container's own, and mode is \"read-only\"");
        s.say_key(&["disk", "size"], fault);
    }
    for (index, path) in s.definition.disk.tmpfs.iter().enumerate() {
        if let Some(why) = not_a_target(path.as_str()) {
            s.say(&["disk", "tmpfs", &index.to_string()], why);
        }
    }
    for (index, mount) in s.definition.mount.iter().enumerate() {
        let at = index.to_string();
        if let Some(why) = not_a_target(mount.target.as_str()) {
            s.say(&["mount", &at, "target"], why);
        }
        source(s, mount, &at);
        foreign_keys(s, mount, &at);
        if mount.size.0 == 0 {
            s.say(&["mount", &at, "size"], wrong("a tmpfs of size 0 would be without limit"));
        }
    }
    sysctls(s);
}

fn not_a_target(path: &str) -> Option<super::Fault> {
    let below = |top: &str| path == top || path.starts_with(&format!("{top}/"));
    if let Some(fault) = not_a_place(path) {
        return Some(fault);
    }
    if below("/dev") && !below("/dev/shm") {
        return Some(wrong("every container has a /dev of its own; only /dev/shm can be mounted"));
    }
    None
}

/// Where nothing can be put at all.
pub(super) fn not_a_place(path: &str) -> Option<super::Fault> {
    let below = |top: &str| path == top || path.starts_with(&format!("{top}/"));
    if path == "/" {
        return Some(wrong("the root of the container is its disk").help("use image and [disk]"));
    }
    (below("/proc") || below("/sys"))
        .then(|| wrong("nothing can be mounted over the kernel's own files, /proc and /sys"))
}

fn source(s: &mut Subject<'_>, mount: &Mount, at: &str) {
    let path = ["mount", at, "source"];
    let fault = match (mount.r#type, &mount.source) {
        (MountType::Bind, Some(MountSource::Path(_))) | (MountType::Volume, Some(MountSource::Volume(_))) => return,
        (MountType::Tmpfs, None) => return,
        (MountType::Bind, None) => wrong("a bind needs a source").help("add source = \"/path/on/the/host\""),
        (MountType::Bind, Some(MountSource::Volume(name))) => {
            wrong("the source of a bind is a path").help(format!("write \"./{name}\", or add type = \"volume\""))
        }
        (MountType::Volume, None) => wrong("a volume needs its name").help("add source = \"NAME\""),
        (MountType::Volume, Some(MountSource::Path(_))) => {
            wrong("the source of a volume is its name").help("leave type out to mount a path")
        }
        (MountType::Tmpfs, Some(_)) => wrong("a tmpfs has no source").help("leave source out"),
    };
    s.say(&path, fault);
}

/// Keys that mean nothing for this type.
fn foreign_keys(s: &mut Subject<'_>, mount: &Mount, at: &str) {
    let (keys, home): (&[&str], _) = match mount.r#type {
        MountType::Bind => (&["size", "mode"], "type = \"tmpfs\""),
        MountType::Volume => (&["size", "mode", "missing"], "another type"),
        MountType::Tmpfs => (&["missing", "ids", "recursive"], "type = \"bind\""),
    };
    for key in keys {
        if s.says(&["mount", at, key]) {
            s.say_key(&["mount", at, key], wrong(format!("{key} is for {home}")));
        }
    }
}

fn sysctls(s: &mut Subject<'_>) {
    let namespaces = &s.definition.namespaces;
    for name in s.definition.sysctl.keys() {
        let (shared, key) = match name.namespace() {
            SysctlNamespace::Network => {
                if let Some(other) = namespaces.network.container() {
                    let fault = wrong(format!("{name} is of the network of {other}")).help("set it there");
                    s.say_key(&["sysctl", name.as_str()], fault);
                }
                (namespaces.network == NetworkNamespace::Host, "network")
            }
            SysctlNamespace::Ipc => (namespaces.ipc == Namespace::Host, "ipc"),
            SysctlNamespace::Uts => (namespaces.uts == Namespace::Host, "uts"),
        };
        if shared {
            let fault = wrong(format!("with namespaces.{key} = \"host\", {name} would be set for the host"));
            s.say_key(&["sysctl", name.as_str()], fault.help("set it in the host's /etc/sysctl.d/"));
        }
    }
}
