use super::*;
use crate::audit::facts::*;
use crate::audit::finding::Verdict;
use crate::definition::Definition;

fn definition(text: &str) -> Definition {
    toml::from_str(&format!("image = \"i\"\n{text}")).unwrap()
}

fn namespaces(first: u64) -> Namespaces {
    NAMESPACES.into_iter().zip(first..).collect()
}

fn mount(id: u64, parent: u64, target: &str, kind: &str, options: &str) -> Mount {
    Mount {
        id,
        parent,
        device: format!("0:{id}"),
        root: "/".into(),
        target: target.into(),
        options: options.split(',').map(str::to_owned).collect(),
        kind: kind.into(),
        ..Mount::default()
    }
}

fn process(pid: i32) -> Process {
    let granted = 0x8004_05fb;
    Process {
        pid,
        command: "sleep".into(),
        uid: 524_288,
        namespaces: namespaces(100),
        uid_map: vec![[0, 524_288, 65_536]],
        gid_map: vec![[0, 524_288, 65_536]],
        capabilities: Capabilities {
            bounding: granted,
            permitted: granted,
            effective: granted,
            ..Capabilities::default()
        },
        no_new_privileges: true,
        seccomp: (2, Some(1)),
        label: String::new(),
        limits: [("Max core file size".to_owned(), (Some(0), Some(0)))].into(),
    }
}

/// What a container without a word in its definition looks like.
fn clean() -> Facts {
    let quiet = "ro,nosuid,nodev,noexec";
    Facts {
        processes: vec![process(10), process(11)],
        host: Host { namespaces: namespaces(1), capabilities: (1 << 41) - 1, ..Host::default() },
        mounts: vec![
            mount(1, 0, "/", "ext4", "rw,nosuid,nodev"),
            mount(2, 1, "/proc", "proc", "rw,nosuid,nodev,noexec"),
            mount(3, 2, "/proc/sys", "proc", quiet),
            mount(4, 2, "/proc/kcore", "devtmpfs", "rw,nosuid"),
            mount(5, 2, "/proc/acpi", "tmpfs", quiet),
            mount(6, 1, "/sys", "sysfs", quiet),
            mount(7, 1, "/dev", "tmpfs", "rw,nosuid"),
        ],
        nodes: [
            ("/proc/kcore".to_owned(), NodeKind::Char(1, 3)),
            ("/proc/acpi".to_owned(), NodeKind::Directory),
            ("/dev/null".to_owned(), NodeKind::Char(1, 3)),
        ]
        .into(),
        kernel_paths: ["/proc/kcore", "/proc/acpi", "/proc/sys", "/sys"].map(str::to_owned).into(),
        unit: Unit {
            device_policy: "closed".into(),
            limits: [("TasksMax", Some(2048)), ("MemoryMax", None), ("MemorySwapMax", None)].into(),
            ..Unit::default()
        },
        cgroup: Cgroup { limits: [("pids.max".to_owned(), "2048".to_owned())].into(), ..Cgroup::default() },
        ..Facts::default()
    }
}

/// What is neither as by default nor worth a note.
fn weak(facts: &Facts, text: &str) -> Vec<Finding> {
    let mut findings = judge(facts, &Expected::of(&definition(text)));
    findings.retain(|finding| matches!(finding.verdict, Verdict::Wrong | Verdict::Weaker));
    findings
}

#[test]
fn a_clean_container_is_clean() {
    assert_eq!(weak(&clean(), ""), []);
}

#[test]
fn a_namespace_of_the_host_is_wrong_unless_declared() {
    let mut facts = clean();
    let host = facts.host.namespaces["ipc"];
    for process in &mut facts.processes {
        process.namespaces.insert("ipc", host);
    }
    assert_eq!(weak(&facts, ""), [Finding::wrong("namespace ipc", "the host's", "its own")]);
    let key = "namespaces.ipc = \"host\"";
    assert_eq!(weak(&facts, key), [Finding::weaker("namespace ipc", "the host's", key)]);
}

#[test]
fn what_a_neighbour_has_too_is_wrong() {
    let mut facts = clean();
    let apart = Neighbour {
        name: "db".into(),
        namespaces: namespaces(200),
        uid_map: vec![[0, 589_824, 65_536]],
        joins: None,
        joins_this: false,
    };
    facts.neighbours = vec![apart.clone()];
    assert_eq!(weak(&facts, ""), []);
    facts.neighbours = vec![Neighbour { uid_map: vec![[0, 589_823, 65_536]], ..apart.clone() }];
    let found = "0 is 524288, 65536 ids: db has some of them";
    assert_eq!(weak(&facts, ""), [Finding::wrong("ids", found, "ids of its own")]);
    let mut shared = apart;
    shared.namespaces.insert("net", facts.processes[0].namespaces["net"]);
    facts.neighbours = vec![shared];
    assert_eq!(weak(&facts, ""), [Finding::wrong("namespace net", "that of db too", "its own")]);
}

#[test]
fn each_process_counts() {
    let mut facts = clean();
    facts.processes[1].capabilities.effective |= 1 << 21;
    facts.processes[1].no_new_privileges = false;
    let eleven = "11: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP";
    let twelve = eleven.replace("11:", "12:").replace("SYS_CHROOT", "SYS_CHROOT SYS_ADMIN");
    let wanted = [
        Finding::wrong("capabilities, in effect of 11 (sleep)", &twelve, format!("at most {eleven}")),
        Finding::wrong("new privileges of 11 (sleep)", "set-user-ID programs work", "none by executing a program"),
    ];
    assert_eq!(weak(&facts, ""), wanted);
    // Declared for all of them.
    let words = "security.no-new-privileges = false\nsecurity.capabilities.add = [\"SYS_ADMIN\"]";
    assert!(weak(&facts, words).is_empty(), "the main one has neither, and others may have as much");
    facts.processes.remove(0);
    let wanted = [
        Finding::weaker("capabilities, in effect", &twelve, "security.capabilities.add = [\"SYS_ADMIN\"]"),
        Finding::weaker("new privileges", "set-user-ID programs work", "security.no-new-privileges = false"),
    ];
    assert_eq!(weak(&facts, words), wanted);
}

#[test]
fn a_filter_is_one_more_than_the_hosts() {
    let mut facts = clean();
    facts.host.filters = 1;
    let whats: Vec<_> = weak(&facts, "").into_iter().map(|finding| finding.what).collect();
    assert_eq!(whats, ["system calls", "system calls of 11 (sleep)"]);
    facts.host.filters = 0;
    facts.processes.truncate(1);
    let off = "security.seccomp = \"off\"";
    let calls = "security.allow-syscalls = [\"mbind\"]";
    assert_eq!(weak(&facts, calls), [Finding::weaker("system calls", "filtered", calls)]);
    facts.processes[0].seccomp = (0, Some(0));
    assert_eq!(weak(&facts, off), [Finding::weaker("system calls", "not filtered", off)]);
    assert_eq!(weak(&facts, calls), [Finding::wrong("system calls", "not filtered", "filtered")]);
}

#[test]
fn root_of_a_user_namespace_below_has_all_over_that_one() {
    let mut facts = clean();
    let below = &mut facts.processes[1];
    below.capabilities.effective = (1 << 41) - 1;
    below.namespaces.insert("user", 999);
    below.uid_map = vec![[0, 524_289, 1]];
    assert_eq!(weak(&facts, ""), []);
    facts.processes[1].uid_map = vec![[0, 0, 1]];
    assert_eq!(weak(&facts, ""), [Finding::wrong("ids of 11 (sleep)", "more than the container's", "some of them")]);
    // The host's own user namespace is no such one.
    facts.processes[1].namespaces.insert("user", facts.host.namespaces["user"]);
    let whats: Vec<_> = weak(&facts, "").into_iter().map(|finding| finding.what).collect();
    assert_eq!(whats, ["namespaces of 11 (sleep)", "capabilities, in effect of 11 (sleep)"]);
}

#[test]
fn inherited_capabilities_are_wrong_but_for_an_init() {
    let mut facts = clean();
    facts.processes[0].capabilities.ambient = 1 << 10;
    let found = "1: NET_BIND_SERVICE";
    assert_eq!(weak(&facts, ""), [Finding::wrong("capabilities, ambient", found, "none")]);
    assert_eq!(weak(&facts, "init = \"image\""), []);
}

#[test]
fn what_is_seen_is_what_is_on_top() {
    let mut facts = clean();
    facts.mounts.push(mount(20, 3, "/proc/sys", "proc", "rw"));
    assert_eq!(facts.mount_of("/proc/sys/kernel").map(|mount| mount.id), Some(20));
    let whats: Vec<_> = weak(&facts, "").into_iter().map(|finding| finding.what).collect();
    assert_eq!(whats, ["/proc/sys", "mount /proc/sys"]);
    // A new /proc hides all that lay on the old one.
    facts.mounts.push(mount(30, 2, "/proc", "proc", "rw,nosuid,nodev,noexec"));
    assert_eq!(facts.mount_of("/proc/kcore").map(|mount| mount.id), Some(30));
}

#[test]
fn a_mask_is_nothing_of_the_kernels() {
    let mut facts = clean();
    facts.nodes.insert("/proc/kcore".into(), NodeKind::Other);
    facts.mounts.retain(|mount| mount.target != "/proc/acpi");
    let shown = |path| Finding::wrong(path, "what lies there can be read", "made empty");
    assert_eq!(weak(&facts, ""), [shown("/proc/acpi"), shown("/proc/kcore")]);
}

#[test]
fn a_declared_mount_has_its_options() {
    let text = "[[mount]]\nsource = \"/srv\"\ntarget = \"/srv\"\nread-only = true";
    let mut facts = clean();
    facts.mounts.push(mount(20, 1, "/srv", "ext4", "ro,nosuid,nodev"));
    facts.mounts.push(mount(21, 20, "/srv/below", "ext4", "rw,nosuid,nodev"));
    facts.host.devices.insert("0:20".into());
    let wrong = |target: &str, wanted| Finding::wrong(format!("mount {target}"), "ext4, nodev,nosuid,rw", wanted);
    assert_eq!(weak(&facts, text), [wrong("/srv/below", "ro")]);
    let lax = format!("{text}\noptions = []\nrecursive = false");
    let more = weak(&facts, &lax);
    let nowhere = "nothing: the definition does not name it";
    assert_eq!(more, [wrong("/srv/below", nowhere)]);
    facts.mounts[7].options = ["ro".to_owned()].into();
    let words = "mount.options of /srv without nosuid, nodev";
    assert_eq!(weak(&facts, &lax)[0], Finding::weaker("mount /srv", "ext4, ro", words));
}

#[test]
fn peers_on_the_host_are_wrong() {
    let mut facts = clean();
    facts.mounts[0].master = Some(7);
    assert_eq!(weak(&facts, ""), [], "a peer group of its own");
    facts.host.peers.insert(7);
    let found = "what the host mounts there appears in the container";
    assert_eq!(weak(&facts, ""), [Finding::wrong("mount /", found, "private")]);
}

#[test]
fn limits_are_the_kernels_and_systemds_where_it_has_none() {
    let mut facts = clean();
    facts.cgroup.limits.insert("pids.max".into(), "max".into());
    facts.cgroup.limits.insert("cpu.max".into(), "150000 100000".into());
    let tasks = Finding::wrong("limit of tasks", "none", "at most 2048");
    assert_eq!(weak(&facts, "")[..], *std::slice::from_ref(&tasks));
    let cpu = Finding::wrong("limit of CPU time", "150% of a CPU", "at most 100% of a CPU");
    assert_eq!(weak(&facts, "limits.cpus = 1"), [tasks, cpu]);
    assert_eq!(weak(&facts, "limits.cpus = 1.5").len(), 1);
    let declared = "limits.tasks = \"infinity\"";
    assert_eq!(weak(&facts, declared), [Finding::weaker("limit of tasks", "none", declared)]);
    facts.cgroup.limits.clear();
    assert_eq!(weak(&facts, "limits.tasks = 2000").len(), 1, "systemd has 2048");
    let all = judge(&facts, &Expected::of(&definition("")));
    let tasks = all.iter().find(|finding| finding.what == "limit of tasks").unwrap();
    assert_eq!(tasks.verdict, Verdict::Unknown);
}

#[test]
fn its_own_control_group_is_wrong_unless_delegated() {
    let mut facts = clean();
    facts.cgroup.owners = [(".".to_owned(), 524_288), ("pids.max".to_owned(), 0)].into();
    assert_eq!(weak(&facts, ""), [Finding::wrong("control group", "its own: .", "root's")]);
    assert_eq!(weak(&facts, "init = \"image\""), []);
    facts.cgroup.owners.insert("pids.max".into(), 524_288);
    assert_eq!(weak(&facts, "init = \"image\""), [Finding::wrong("control group", "its own: pids.max", "root's")]);
}

#[test]
fn a_device_that_nobody_named_is_wrong() {
    let mut facts = clean();
    facts.nodes.insert("/dev/sda".into(), NodeKind::Block(8, 0));
    facts.unit.device_allow = vec![("char-*".into(), "m".into()), ("/dev/sda".into(), "rw".into())];
    let wanted = [
        Finding::wrong("device /dev/sda", "block device 8:0", "nothing: the definition does not name it"),
        Finding::wrong(
            "device policy",
            "/dev/sda may be opened (rw)",
            "no more than the usual ones, and those of the definition",
        ),
    ];
    assert_eq!(weak(&facts, ""), wanted);
}

#[test]
fn a_directory_of_the_host_in_its_hands_is_wrong() {
    let mut facts = clean();
    let held = |name: &str, path: &str, kind, mount| Open { name: name.into(), path: path.into(), kind, mount };
    facts.open = vec![
        held("fd 0", "/dev/null", NodeKind::Char(1, 3), 999),
        held("fd 1", "socket:[1]", NodeKind::Socket, 998),
        held("cwd", "/", NodeKind::Directory, 1),
    ];
    assert_eq!(weak(&facts, ""), []);
    facts.open.push(held("fd 7", "/sys/fs/cgroup", NodeKind::Directory, 997));
    let found = "/sys/fs/cgroup: a directory of the host";
    assert_eq!(weak(&facts, ""), [Finding::wrong("open fd 7", found, "nothing of the host")]);
}

#[test]
fn a_link_is_a_port_of_its_bridge() {
    let text = "[[network]]\nbridge = \"br0\"";
    let end = |bridge: &str| HostEnd { name: "vb-1".into(), bridge: Some(bridge.into()), flags: vec![] };
    let link = |host| Link { name: "eth0".into(), kind: Some("veth".into()), leads_out: true, addresses: vec![], host };
    let mut facts = clean();
    facts.links = vec![link(Some(end("br0")))];
    assert_eq!(weak(&facts, text), []);
    let found = "veth, vb-1, a port of br0";
    assert_eq!(weak(&facts, ""), [Finding::wrong("link eth0", found, "nothing: the definition does not name it")]);
    facts.links = vec![link(Some(end("br1")))];
    assert_eq!(weak(&facts, text), [Finding::wrong("link eth0", "veth, vb-1, a port of br1", "a port of br0")]);
}

#[test]
fn what_is_declared_of_the_kernel_and_of_devices_has_its_key() {
    let text = "security.unmask = [\"/proc/kcore\"]\n[[device]]\nsource = \"/dev/fuse\"\naccess = \"r\"";
    let mut facts = clean();
    facts.mounts.retain(|mount| mount.target != "/proc/kcore");
    facts.nodes.insert("/dev/fuse".into(), NodeKind::Char(10, 229));
    facts.unit.device_allow = vec![("/dev/fuse".into(), "r".into())];
    let key = "[[device]] source = \"/dev/fuse\"";
    let unmask = "security.unmask = [\"/proc/kcore\"]";
    let wanted = [
        Finding::weaker("/proc/kcore", "the kernel's own can be read", unmask),
        Finding::weaker("device /dev/fuse", "character device 10:229", key),
        Finding::weaker("device policy", "/dev/fuse may be opened (r)", key),
    ];
    assert_eq!(weak(&facts, text), wanted);
    facts.unit.device_allow = vec![("/dev/fuse".into(), "rw".into())];
    assert_eq!(weak(&facts, text)[2].verdict, Verdict::Wrong, "more than it was given");
}

#[test]
fn each_cpu_has_its_mask_and_the_hosts_network_more_of_them() {
    let mut facts = clean();
    let throttle = "/sys/devices/system/cpu/cpu12/thermal_throttle";
    facts.kernel_paths.extend([throttle, "/sys/kernel/debug"].map(str::to_owned));
    let shown = |path: &str| Finding::wrong(path, "what lies there can be read", "made empty");
    assert_eq!(weak(&facts, ""), [shown(throttle)]);
    let host = facts.host.namespaces["net"];
    for process in &mut facts.processes {
        process.namespaces.insert("net", host);
    }
    let all = weak(&facts, "namespaces.network = \"host\"");
    assert!(all.contains(&shown("/sys/kernel/debug")), "{all:?}");
}

#[test]
fn another_user_has_what_is_named_and_a_label_is_what_it_says() {
    let mut facts = clean();
    facts.processes.truncate(1);
    let user = "user = \"33\"\nsecurity.apparmor = \"web\"";
    facts.processes[0].label = "web (enforce)".into();
    assert_eq!(weak(&facts, user), [], "root in the image may be called 33");
    facts.processes[0].uid = 524_288 + 33;
    let whats: Vec<_> = weak(&facts, user).into_iter().map(|finding| finding.what).collect();
    assert_eq!(whats, ["capabilities, bounding", "capabilities, in effect"]);
    facts.processes[0].capabilities = Capabilities::default();
    assert_eq!(weak(&facts, user), []);
    facts.processes[0].label = "web (complain)".into();
    assert_eq!(weak(&facts, user), [Finding::wrong("security label", "web (complain)", "web")]);
}
