use super::super::{Exec, ExitStatuses, MountFlags, MountSource, Seccomp, Value};
use super::*;
use crate::image::store::{Declared, ImageInfo, Kind};
use crate::layout::Layout;
use crate::seccomp::{Machine, Rules, compile};

fn facts() -> Facts {
    let image = ImageInfo {
        kind: Kind::Tree,
        fs: None,
        origin: "test".into(),
        digest: "sha256:ab".into(),
        manifest: None,
        pinned: None,
        verified: None,
        created: "2026-01-01T00:00:00Z".into(),
        size: 1,
        declared: Declared::default(),
    };
    Facts {
        name: "web".into(),
        replica_of: None,
        group: None,
        definition: Some("/etc/soute/containers/web.toml".into()),
        layout: Layout::new("/"),
        runner: "/usr/libexec/soute/soute-runner".into(),
        image,
        ids: Some(524_288),
        machined: None,
        addresses: Default::default(),
        resolvers: Vec::new(),
        machine_id: "0123456789abcdef0123456789abcdef".into(),
        ipv6: true,
        memory: 8 << 30,
        tasks: 32768,
        timezone: None,
        exposed: Vec::new(),
        image_environment: Vec::new(),
        file_environment: Vec::new(),
    }
}

fn definition(text: &str) -> Definition {
    let command = if text.contains("command") || text.contains("init = ") { "" } else { "command = [\"nginx\"]" };
    toml::from_str(&format!("image = \"nginx\"\n{command}\n{text}")).unwrap()
}

fn plan(text: &str) -> Plan {
    Plan::build(&definition(text), &facts()).unwrap()
}

fn property(text: &str, name: &str) -> Option<Value> {
    plan(text).unit.get(name).cloned()
}

fn texts(list: &[&str]) -> Option<Value> {
    Some(Value::Texts(list.iter().map(ToString::to_string).collect()))
}

#[test]
fn the_unit_runs_the_runner_and_nothing_of_the_definition_is_in_its_lines() {
    let line = |verb: &str| {
        let argv = ["/usr/libexec/soute/soute-runner", verb, "web"].map(str::to_owned).into();
        Some(Value::Exec(vec![Exec { argv, ignore_failure: false }]))
    };
    let text = "command = [\"sh\", \"-c\", \"echo $HOME; id\"]";
    for (name, verb) in [("ExecStart", "start"), ("ExecStop", "stop"), ("ExecStopPost", "clean")] {
        assert_eq!(property(text, name), line(verb));
    }
    assert_eq!(property(text, "ExecReload"), None);
    assert_eq!(property("[reload]\nsignal = \"SIGHUP\"", "ExecReload"), line("reload"));
}

#[test]
fn shares_become_absolute_numbers() {
    let text =
        "[limits]\nmemory = \"50%\"\nswap = 0\ncpus = 1.5\ntasks = \"10%\"\ncpu-weight = \"idle\"\ncpu-set = \"0-1\"";
    assert_eq!(property(text, "MemoryMax"), Some(Value::U64((8 << 30) / 100 * 50)));
    assert_eq!(property(text, "MemorySwapMax"), Some(Value::U64(0)));
    assert_eq!(property(text, "CPUQuotaPerSecUSec"), Some(Value::U64(1_500_000)));
    assert_eq!(property(text, "TasksMax"), Some(Value::U64(3276)));
    assert_eq!(property(text, "CPUWeight"), Some(Value::U64(0)));
    assert_eq!(property(text, "AllowedCPUs"), Some(Value::Bytes(vec![3])));
    assert_eq!(property("", "CPUQuotaPerSecUSec"), None);
}

#[test]
fn io_limits_name_the_disk_and_other_devices() {
    let text =
        "[limits]\nwrite-bandwidth = \"20MB/s\"\n[[limits.device]]\npath = \"/srv\"\nwrite-bandwidth = \"1MB/s\"";
    let expected = vec![("/var/lib/soute/disks".to_owned(), 20_000_000), ("/srv".to_owned(), 1_000_000)];
    assert_eq!(property(text, "IOWriteBandwidthMax"), Some(Value::DeviceLimits(expected)));
    assert!(plan(text).disk.direct_io);
    assert!(!plan("").disk.direct_io);
}

#[test]
fn order_goes_through_targets_and_host_units_are_taken_literally() {
    let text = "requires = [\"db\", \"nfs.mount\"]\nwants = [\"cache\"]\nafter = [\"network-online.target\"]";
    assert_eq!(
        property(text, "After"),
        texts(&[
            "network.target",
            "soute-log@web.socket",
            "soute-up@db.target",
            "nfs.mount",
            "soute-up@cache.target",
            "network-online.target"
        ])
    );
    assert_eq!(property(text, "PartOf"), texts(&["soute-start@web.service", "soute-up@db.target"]));
    assert_eq!(property(text, "Requires"), texts(&["soute-log@web.socket", "nfs.mount"]));
    assert_eq!(property(text, "Wants"), texts(&["soute-up@web.target"]));
    assert_eq!(property(text, "Before"), texts(&["soute-up@web.target"]));
}

#[test]
fn a_kill_is_a_good_stop_and_still_restarts() {
    let kill = Some(Value::ExitStatuses(ExitStatuses { codes: vec![], signals: vec![9] }));
    assert_eq!(property("", "SuccessExitStatus"), kill);
    assert_eq!(property("", "RestartForceExitStatus"), kill);
    let never = "[restart]\npolicy = \"no\"";
    assert_eq!((property(never, "SuccessExitStatus"), property(never, "RestartForceExitStatus")), (kill.clone(), None));
    let clean_only = "[restart]\npolicy = \"on-success\"";
    assert_eq!(property(clean_only, "RestartPreventExitStatus"), kill);
    assert_eq!(property("[namespaces]\npid = \"host\"", "SuccessExitStatus"), None);
    let died = Some(Value::ExitStatuses(ExitStatuses { codes: vec![129, 130, 141, 143], signals: vec![] }));
    assert_eq!(property("init = \"reaper\"\ncommand = [\"x\"]", "SuccessExitStatus"), died);
}

#[test]
fn a_system_that_boots_is_delegated_and_stops_its_own_way() {
    let text = "init = \"image\"";
    assert_eq!(property(text, "Delegate"), Some(Value::Bool(true)));
    assert_eq!(property(text, "KillMode"), Some(Value::Text("mixed".into())));
    assert_eq!(property(text, "KillSignal"), Some(Value::I32(37)));
    let sandbox = plan(text).sandbox;
    assert_eq!(sandbox.ready, Ready::Notify);
    assert!(!sandbox.process.no_new_privileges);
    assert_ne!(sandbox.process.capabilities & 1 << 21, 0, "SYS_ADMIN within its own user namespace");
    assert_eq!(plan("").sandbox.process.capabilities.count_ones(), 11);
}

#[test]
fn mounts_are_required_as_far_as_a_path_has_no_space() {
    let text =
        "[[mount]]\nsource = \"/srv/my files/a\"\ntarget = \"/a\"\n[[mount]]\nsource = \"/srv/b\"\ntarget = \"/b\"";
    assert_eq!(property(text, "RequiresMountsFor"), texts(&["/var/lib/soute", "/srv", "/srv/b"]));
}

#[test]
fn further_directives_become_properties_beside_ours() {
    let text = "[systemd]\nOOMScoreAdjust = -500\nRuntimeMaxSec = \"1h\"\nBefore = \"backup.service\"";
    assert_eq!(property(text, "OOMScoreAdjust"), Some(Value::I32(-500)));
    assert_eq!(property(text, "RuntimeMaxUSec"), Some(Value::U64(3_600_000_000)));
    assert_eq!(property(text, "Before"), texts(&["soute-up@web.target", "backup.service"]));
    let error = Plan::build(&definition("[systemd]\nUser = \"nobody\""), &facts()).unwrap_err();
    assert_eq!((error.exit(), error.to_string().as_str()), (Exit::Invalid, "systemd.User: cannot be set here"));
}

#[test]
fn argv_is_entrypoint_and_command() {
    assert_eq!(plan("entrypoint = \"/tini\"\ncommand = [\"x\"]").sandbox.process.argv, ["/tini", "x"]);
    assert_eq!(plan("init = \"image\"").sandbox.process.argv, ["/sbin/init"]);
    let error = Plan::build(&definition("command = []"), &facts()).unwrap_err();
    assert_eq!(
        (error.exit(), error.to_string().as_str()),
        (Exit::Invalid, "web has no command, and neither has image nginx")
    );
}

#[test]
fn the_environment_is_layered_and_complete() {
    let mut facts = facts();
    facts.image_environment =
        [("A", "image"), ("B", "image"), ("C", "image")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    facts.file_environment = [("B", "file"), ("C", "file")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let definition = definition("environment = { C = \"own $HOME %n\" }");
    let environment = Plan::build(&definition, &facts).unwrap().sandbox.process.environment;
    let expected = [
        ("A", "image"),
        ("B", "file"),
        ("C", "own $HOME %n"),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("container", "soute"),
    ];
    assert_eq!(environment, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

#[test]
fn addresses_of_links_are_stable_and_differ() {
    let text = "[[network]]\nbridge = \"br0\"\n[[network]]\nbridge = \"br1\"\nmac = \"02:00:00:00:00:07\"";
    let links = plan(text).links;
    assert_eq!(links, plan(text).links);
    assert_eq!((links[0].name.as_str(), links[1].name.as_str()), ("eth0", "eth1"));
    let ports: Vec<_> = links.iter().filter_map(crate::plan::Link::port).collect();
    assert_ne!(ports[0].host_name, ports[1].host_name);
    assert!(ports.iter().all(|port| port.host_name.len() == 15 && port.host_mac[0] == 0xfe));
    assert_eq!((links[0].mac[0], links[1].mac), (2, [2, 0, 0, 0, 0, 7]));
    let elsewhere = Facts { machine_id: "f".repeat(32), ..facts() };
    assert_ne!(Plan::build(&definition(text), &elsewhere).unwrap().links[0].mac, links[0].mac);
}

#[test]
fn a_read_only_disk_gets_memory_unless_something_is_declared_there() {
    let text = "[disk]\nmode = \"read-only\"\n[[mount]]\ntype = \"tmpfs\"\ntarget = \"/tmp\"\nsize = \"1M\"";
    let mounts = plan(text).sandbox.mounts;
    let flags = MountFlags { nosuid: true, nodev: true, ..MountFlags::default() };
    let run =
        super::super::Mount { source: MountSource::Tmpfs { size: None, mode: 0o755 }, target: "/run".into(), flags };
    assert_eq!(mounts[0], run);
    assert_eq!(mounts[1].source, MountSource::Tmpfs { size: Some(1 << 20), mode: 0o1777 });
    assert_eq!(mounts.len(), 2);
}

#[test]
fn machined_is_told_by_processes_of_its_own() {
    let names = |plan: &Plan| plan.unit.properties.iter().map(|property| property.name.clone()).collect::<Vec<_>>();
    assert!(!names(&plan("")).contains(&"ExecStartPost".to_owned()));
    let facts = Facts { machined: Some("/usr/bin/soute".into()), ..facts() };
    let mut told = Plan::build(&definition(""), &facts).unwrap();
    let ends = |plan: &Plan| match plan.unit.get("ExecStopPost") {
        Some(Value::Exec(commands)) => commands.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(ends(&told)[1].argv, ["/usr/bin/soute", "machine", "unregister", "web"]);
    assert!(ends(&told)[1].ignore_failure && names(&told).contains(&"ExecStartPost".to_owned()));
    told.ephemeral = true;
    told.forget_at_end();
    assert!(ends(&told).len() == 1 && !names(&told).contains(&"ExecStartPost".to_owned()));
}

#[test]
fn generated_files_say_what_is_declared() {
    let text = "[dns]\nservers = [\"10.88.0.1\"]\nsearch = \"lan\"\n[hosts]\n\"api.local\" = [\"10.88.0.20\"]\n\
                [[network]]\nbridge = \"br0\"\naddress = \"10.88.0.10/24\"";
    let files = plan(text).sandbox.files;
    let contents: Vec<_> = files.iter().map(|file| (file.target.as_str(), file.content.as_str())).collect();
    assert_eq!(
        contents,
        [("/etc/hosts", "10.88.0.20\tapi.local\n"), ("/etc/resolv.conf", "nameserver 10.88.0.1\nsearch lan\n")]
    );
    assert!(plan("").sandbox.files.is_empty());
}

#[test]
fn leases_go_on_where_a_definition_names_no_servers() {
    let link = "[[network]]\nkind = \"macvlan\"\nparent = \"eth0\"\naddress = \"dhcp\"\n";
    let files = |text: &str| {
        let files = plan(&format!("{text}{link}")).sandbox.files;
        files.into_iter().map(|file| (file.target, file.content, file.leased)).collect::<Vec<_>>()
    };
    let resolver = |content: &str, leased| vec![("/etc/resolv.conf".to_owned(), content.to_owned(), leased)];
    let comment = "# What DHCP servers say, kept up to date by soute:\n";
    assert_eq!(files(""), resolver(comment, true));
    assert_eq!(files("dns.search = \"lan\"\n"), resolver(&format!("{comment}search lan\n"), true));
    assert_eq!(files("dns.servers = \"10.0.0.1\"\n"), resolver("nameserver 10.0.0.1\n", false));
    // Said to be none, covered by a mount, or asked for by the image itself.
    assert_eq!(files("dns.servers = []\n"), []);
    assert_eq!(files("mount = [{ type = \"tmpfs\", target = \"/etc/resolv.conf\" }]\n"), []);
    let boots: Vec<_> = files("init = \"image\"\n").into_iter().map(|file| file.0).collect();
    assert_eq!(boots, ["/etc/hostname"]);
}

#[test]
fn a_plan_survives_its_snapshot() {
    let state = tempfile::tempdir().unwrap();
    let plan = plan("[[network]]\nbridge = \"br0\"\naddress = [\"10.88.0.10/24\", \"fd00:88::10/64\"]");
    plan.write(state.path()).unwrap();
    assert_eq!(Plan::read(state.path()).unwrap(), plan);
}

#[test]
fn what_is_masked_is_the_union_less_what_is_unmasked_and_more() {
    use crate::definition::types::{MASKED, READ_ONLY};
    let usual = plan("").sandbox;
    assert_eq!(
        (&usual.masked[..], &usual.read_only[..]),
        (&MASKED.map(str::to_owned)[..], &READ_ONLY.map(str::to_owned)[..])
    );
    let text = "[security]\nunmask = [\"/proc/kcore\", \"/proc/sys\"]\nmask = [\"/etc/shadow\"]";
    let changed = plan(text).sandbox;
    assert_eq!(changed.read_only, ["/proc/bus", "/proc/fs", "/proc/irq"]);
    assert_eq!((changed.masked.len(), changed.masked.contains(&"/proc/kcore".to_owned())), (MASKED.len(), false));
    assert_eq!(changed.masked.last().unwrap(), "/etc/shadow");
    let shared = plan("[namespaces]\nnetwork = \"host\"").sandbox;
    assert!(shared.masked.contains(&"/sys/kernel/debug".to_owned()));
}

#[test]
fn a_device_is_allowed_by_the_unit_and_made_by_the_runner() {
    let text =
        "[[device]]\nsource = \"/dev/fuse\"\n[[device]]\nsource = \"/dev/kvm\"\ntarget = \"/dev/vm\"\naccess = \"r\"";
    let Some(Value::DeviceAllow(allowed)) = property(text, "DeviceAllow") else { panic!("no DeviceAllow=") };
    let allowed: Vec<_> = allowed.iter().map(|(node, access)| (node.as_str(), access.as_str())).collect();
    assert_eq!(allowed, [("char-*", "m"), ("block-*", "m"), ("/dev/fuse", "rw"), ("/dev/kvm", "r")]);
    let targets = plan(text).sandbox.devices.into_iter().map(|device| device.target);
    assert_eq!(targets.collect::<Vec<_>>(), ["/dev/fuse", "/dev/vm"]);
}

#[test]
fn what_is_weakened_has_a_name_and_what_is_usual_has_none() {
    for usual in ["", "init = \"image\"", "[security]\ncapabilities = { drop = [\"ALL\"] }"] {
        assert_eq!(plan(usual).weakened, Vec::<String>::new());
    }
    let boots = "init = \"image\"\n[security]\ncapabilities = { add = [\"SYS_ADMIN\"] }";
    assert_eq!(plan(boots).weakened, Vec::<String>::new());
    let text = r#"
        [namespaces]
        pid = "host"
        [security]
        no-new-privileges = false
        capabilities = { add = ["NET_RAW", "CHOWN"] }
        unmask = "/proc/kcore"
        [[device]]
        source = "/dev/fuse"
    "#;
    let expected = [
        "the host's pid namespace",
        "CAP_NET_RAW added",
        "new privileges allowed",
        "device /dev/fuse",
        "/proc/kcore unmasked",
        "/srv shared with other users",
    ];
    assert_eq!(plan("[security]\nseccomp = \"off\"").weakened, ["no seccomp filter"]);
    assert_eq!(plan("[security]\nseccomp = \"system\"").weakened, ["the system calls of a system"]);
    assert_eq!(plan("[security]\nallow-syscalls = \"keyctl\"").weakened, ["system call keyctl"]);
    let exposed = vec![crate::definition::Weakening::ExposedBind(0, "/srv".into())];
    let plan = Plan::build(&definition(text), &Facts { exposed, ..facts() }).unwrap();
    assert_eq!(plan.weakened, expected);
}

#[test]
fn an_attached_container_has_its_callers_streams_and_nothing_beside_it() {
    let mut plan = plan("requires = [\"db\"]");
    plan.attach(true);
    plan.forget_at_end();
    for name in ["StandardInput", "StandardOutput", "StandardError", "Requires", "Wants", "Before"] {
        assert_eq!(plan.unit.get(name), None, "{name}");
    }
    assert_eq!(plan.unit.get("After").cloned(), texts(&["network.target", "soute-up@db.target"]));
    assert_eq!(plan.unit.get("PartOf").cloned(), texts(&["soute-up@db.target"]));
    assert_eq!(plan.unit.get("CollectMode"), Some(&Value::Text("inactive-or-failed".into())));
    assert_eq!((plan.sandbox.log, plan.sandbox.process.terminal), (None, true));
}

#[test]
fn a_run_that_goes_has_no_process_for_a_stop_that_its_reaper_hears() {
    for (text, ephemeral, stops) in [
        ("init = \"reaper\"\ncommand = [\"true\"]", true, false),
        ("init = \"reaper\"\ncommand = [\"true\"]", false, true),
        ("", true, true),
    ] {
        let mut plan = plan(text);
        plan.ephemeral = ephemeral;
        plan.attach(false);
        assert_eq!(plan.unit.get("ExecStop").is_some(), stops, "{text} {ephemeral}");
        // Whoever waits for it takes its traces away.
        assert_eq!(plan.unit.get("ExecStopPost").is_none(), ephemeral, "{text}");
    }
}

#[test]
fn a_filter_is_compiled_only_for_what_no_profile_has() {
    let filter = |text: &str| plan(text).sandbox.process.seccomp;
    assert_eq!(filter(""), Seccomp::Default);
    assert_eq!(filter("init = \"image\""), Seccomp::System);
    assert_eq!(filter("init = \"image\"\n[security]\nseccomp = \"default\""), Seccomp::Default);
    assert_eq!(filter("[security]\nseccomp = \"off\""), Seccomp::Off);
    assert_eq!(filter("[security]\ncapabilities = { add = [\"NET_ADMIN\", \"CHOWN\"] }"), Seccomp::Default);
    let Seccomp::Own(opened) = filter("[security]\nallow-syscalls = \"mbind\"") else { panic!("a profile") };
    let Seccomp::Own(added) = filter("[security]\ncapabilities.add = \"SYS_NICE\"") else { panic!("a profile") };
    assert!(opened.len() > 300 && opened != added);
    let rules = Rules { allowed: &["mbind"], ..Rules::DEFAULT };
    let expected = compile(Machine::HOST, &rules);
    assert_eq!(opened, expected.iter().map(|step| (step.code, step.jt, step.jf, step.k)).collect::<Vec<_>>());
}
