//! A host on which all is well, and what is said when one thing is not.

use super::judge;
use crate::doctor::facts::{Cgroups, Definitions, Facts, Kernel, Store, Systemd};
use crate::doctor::finding::{Finding, Grade};

fn host() -> Facts {
    let sysctl = |(path, value): (&str, u64)| (path.to_owned(), value);
    Facts {
        kernel: Kernel {
            release: "6.1.0-40-amd64".into(),
            options: [("VETH", "m".to_owned()), ("BRIDGE", "y".to_owned())].into(),
            seccomp: Some("kill_process kill_thread trap errno".into()),
            ..Kernel::default()
        },
        sysctls: [
            ("user/max_user_namespaces", 30000),
            ("user/max_net_namespaces", 20000),
            ("net/ipv4/neigh/default/gc_thresh3", 1024),
            ("fs/inotify/max_user_instances", 128),
        ]
        .map(sysctl)
        .into(),
        cgroups: Cgroups {
            unified: true,
            controllers: ["cpuset", "cpu", "io", "memory", "pids"].map(str::to_owned).into(),
            favors_changes: false,
        },
        systemd: Systemd { version: Some(Ok(252)), ..Systemd::default() },
        store: Store {
            path: "/var/lib/soute".into(),
            exists: true,
            kind: "btrfs".into(),
            space: (1 << 40, 1 << 41),
            reflink: Some(true),
            idmapped: Some(Ok(())),
            ..Store::default()
        },
        definitions: Definitions { count: 3, faulty: Vec::new() },
        ..Facts::default()
    }
}

/// What is not ok, of a host that was changed.
fn said(change: impl FnOnce(&mut Facts)) -> Vec<Finding> {
    let mut facts = host();
    change(&mut facts);
    judge(&facts).into_iter().filter(|finding| finding.grade != Grade::Ok).collect()
}

fn grades(change: impl FnOnce(&mut Facts)) -> Vec<(Grade, String)> {
    said(change).into_iter().map(|finding| (finding.grade, finding.what)).collect()
}

#[test]
fn a_host_that_is_well_has_nothing_to_repair() {
    assert_eq!(said(|_| {}), []);
    assert!(judge(&host()).contains(&Finding::ok("namespaces", "at least 20000 of each kind")));
    assert!(
        judge(&host())
            .contains(&Finding::ok("many containers", "fs.inotify.max_user_instances = 128, room for about 32"))
    );
}

#[test]
fn bridged_frames_and_a_policy_are_worse_together() {
    let set = |facts: &mut Facts, path: &str, value| {
        facts.sysctls.insert(path.into(), value);
    };
    let called = |facts: &mut Facts| set(facts, "net/bridge/bridge-nf-call-iptables", 1);
    let drops = |facts: &mut Facts| facts.forward_drops.push("iptables FORWARD".into());
    assert_eq!(grades(called), [(Grade::Warning, "bridges".into())]);
    assert_eq!(grades(drops), [], "the host routes nothing");
    let routes = |facts: &mut Facts| set(facts, "net/ipv4/ip_forward", 1);
    assert_eq!(
        grades(|facts| {
            drops(facts);
            routes(facts);
        }),
        [(Grade::Warning, "routing".into())]
    );
    assert_eq!(
        said(|facts| {
            called(facts);
            drops(facts);
        }),
        [Finding::problem(
            "bridges",
            "bridge-nf-call-iptables = 1, and iptables FORWARD drops: containers on one bridge do not reach each other",
            "sysctl net.bridge.bridge-nf-call-iptables=0 and net.bridge.bridge-nf-call-ip6tables=0, in /etc/sysctl.d to keep it"
        )]
    );
}

#[test]
fn kernels_lack_what_they_lack() {
    assert_eq!(grades(|facts| facts.kernel.release = "5.10.0-30-amd64".into()), [(Grade::Problem, "kernel".into())]);
    assert_eq!(
        said(|facts| drop(facts.kernel.options.insert("IPVLAN", "n".into()))),
        [Finding::warning("kind = \"ipvlan\"", "the kernel was built without CONFIG_IPVLAN", "a kernel with it")]
    );
    let gone = |facts: &mut Facts| drop(facts.kernel.options.insert("VETH", "m, not installed".into()));
    assert_eq!(grades(gone), [(Grade::Problem, "links to bridges".into())]);
    let refused =
        |facts: &mut Facts| drop(facts.kernel.failing_calls.insert("openat2", "Operation not permitted".into()));
    assert_eq!(grades(refused), [(Grade::Problem, "system call openat2".into())]);
    let none = |facts: &mut Facts| {
        facts.sysctls.insert("user/max_user_namespaces".into(), 0);
    };
    assert_eq!(
        said(none),
        [Finding::problem(
            "namespaces",
            "user.max_user_namespaces = 0",
            "sysctl user.max_user_namespaces=65536, in /etc/sysctl.d to keep it"
        )]
    );
}

#[test]
fn a_store_is_judged_by_its_file_system() {
    assert_eq!(grades(|facts| facts.store.reflink = Some(false)), [(Grade::Warning, "copies".into())]);
    assert_eq!(grades(|facts| facts.store.idmapped = Some(Err("EINVAL".into()))), [(Grade::Problem, "store".into())]);
    assert_eq!(
        grades(|facts| facts.store.options = vec!["noexec", "nosuid"]),
        [(Grade::Problem, "store".into()), (Grade::Warning, "store".into())]
    );
    assert_eq!(grades(|facts| facts.store.space = (0, 1 << 40)), [(Grade::Problem, "space".into())]);
    assert_eq!(grades(|facts| facts.store.space = (1 << 29, 1 << 34)), [(Grade::Warning, "space".into())]);
    assert_eq!(grades(|facts| facts.store.inodes = (10, 1 << 20)), [(Grade::Warning, "inodes".into())]);
    assert_eq!(
        grades(|facts| facts.store.open = vec!["/var/lib/soute/disks/web".into()]),
        [(Grade::Problem, "store".into())]
    );
}

#[test]
fn many_containers_meet_the_limits_of_one_host() {
    assert_eq!(
        said(|facts| facts.definitions.count = 100),
        [Finding::warning(
            "many containers",
            "fs.inotify.max_user_instances = 128, room for about 32 of 100: inotify instances of all containers count for root",
            "sysctl fs.inotify.max_user_instances=8192, in /etc/sysctl.d to keep it"
        )]
    );
    assert_eq!(grades(|facts| facts.definitions.count = 1000).len(), 2);
}

#[test]
fn the_rest_of_the_host() {
    assert_eq!(grades(|facts| facts.cgroups.unified = false), [(Grade::Problem, "control groups".into())]);
    assert_eq!(
        grades(|facts| facts.cgroups.controllers.retain(|name| name != "io")),
        [(Grade::Warning, "control groups".into())]
    );
    assert_eq!(grades(|facts| facts.systemd.version = Some(Ok(249))), [(Grade::Problem, "systemd".into())]);
    assert_eq!(grades(|facts| facts.systemd.firewalls = vec!["ufw".into()]), [(Grade::Warning, "firewall".into())]);
    assert_eq!(grades(|facts| facts.systemd.missing_programs = vec!["gpgv"]), [(Grade::Warning, "programs".into())]);
    assert_eq!(grades(|facts| facts.definitions.faulty = vec!["web".into()]), [(Grade::Problem, "definitions".into())]);
    let takes = |facts: &mut Facts, runs, own| {
        facts.networkd.runs = runs;
        facts.networkd.takes_ports = Some(("/etc/systemd/network/all.network".into(), own));
    };
    assert_eq!(grades(|facts| takes(facts, true, false)), [(Grade::Problem, "networkd".into())]);
    assert_eq!(grades(|facts| takes(facts, false, false)), [(Grade::Warning, "networkd".into())]);
    assert_eq!(grades(|facts| takes(facts, true, true)), []);
}

#[test]
fn what_control_groups_cost_a_start_is_said() {
    let said = |favors_changes| {
        let mut facts = host();
        facts.cgroups.favors_changes = favors_changes;
        let list = judge(&facts);
        list.into_iter().filter(|finding| finding.what == "control groups").map(|finding| finding.found).nth(1).unwrap()
    };
    assert!(said(false).contains("remount,favordynmods"), "{}", said(false));
    assert!(said(true).starts_with("they change at once"), "{}", said(true));
}
