//! What works, and makes the container less safe: warnings.

use super::{Subject, wrong};
use crate::definition::model::{Init, Namespace, NetworkNamespace, Seccomp, UserNamespace};
use crate::definition::types::CapabilitySet;
use crate::seccomp::{Action, Rules};

pub(super) fn check(s: &mut Subject<'_>) {
    namespaces(s);
    capabilities(s);
    seccomp(s);
    if s.definition.security.no_new_privileges == Some(false) && s.definition.init != Init::Image {
        let fault = wrong("programs with set-user-ID bits can gain privileges").warning();
        s.say(&["security", "no-new-privileges"], fault);
    }
}

fn namespaces(s: &mut Subject<'_>) {
    let n = &s.definition.namespaces;
    let host = |namespace: Namespace| namespace == Namespace::Host;
    for (key, weak, what) in [
        ("network", n.network == NetworkNamespace::Host, "the container sees and uses every link and port of the host"),
        ("user", n.user == UserNamespace::Host, "root in the container is root of the host"),
        ("pid", host(n.pid), "the container sees every process of the host"),
        ("ipc", host(n.ipc), "the container shares memory and semaphores with the host"),
        ("uts", host(n.uts), "the container shares the host's name"),
        ("cgroup", host(n.cgroup), "the container sees the host's cgroup tree"),
        ("time", host(n.time), "the container shares the host's clocks"),
    ] {
        if weak {
            s.say(&["namespaces", key], wrong(what).warning());
        }
    }
}

fn capabilities(s: &mut Subject<'_>) {
    let change = &s.definition.security.capabilities;
    for (index, added) in change.add.iter().enumerate() {
        let path = ["security", "capabilities", "add", &index.to_string()];
        let one = crate::definition::types::DroppedCapability::One(*added);
        if change.drop.contains(&one) {
            let first = s.origin(&["security", "capabilities", "drop"]);
            s.say(&path, wrong(format!("{added} is added and dropped")).related(first, "it is dropped here"));
        } else if !CapabilitySet::base().contains(*added) {
            s.say(&path, wrong(format!("{added} is more than a container has by default")).warning());
        }
    }
}

fn seccomp(s: &mut Subject<'_>) {
    let (profile, boots) = (s.definition.seccomp(), s.definition.init == Init::Image);
    let what = match profile {
        Seccomp::Off => Some("the payload can make every system call of the host's kernel"),
        Seccomp::System if !boots => {
            Some("the payload can make namespaces and mounts, which only a system that boots needs")
        }
        Seccomp::System | Seccomp::Default => None,
    };
    if let Some(what) = what {
        s.say(&["security", "seccomp"], wrong(what).warning());
    }
    let standard = if profile == Seccomp::System { Rules::SYSTEM } else { Rules::DEFAULT };
    for (index, call) in s.definition.security.allow_syscalls.iter().enumerate() {
        let path = ["security", "allow-syscalls", &index.to_string()];
        if profile == Seccomp::Off {
            let off = s.origin(&["security", "seccomp"]);
            s.say(&path, wrong(format!("there is no filter to open for {call}")).related(off, "it is off here"));
            return;
        }
        match standard.action(call.as_str()) {
            Action::Allow => {}
            Action::Check(_) => s.say(&path, wrong(format!("{call} is let through with every argument")).warning()),
            Action::Refuse(_) => s.say(&path, wrong(format!("{call} is refused by default")).warning()),
        }
    }
}
