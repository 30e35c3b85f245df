//! Rung 3: what only a machine of its own can show. Limits bite, a boot brings containers back, and Debian 12's kernel,
//! which cannot idmap every file system.
//!
//! Two machines boot twice for all tests: `Report`s of the boots are made once, and each test reads its part of them.

mod lab;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use lab::{Ran, vm::Vm};

const COMMON: &str = include_str!("vm/common.sh");
const STORE: &str = include_str!("disks/store.sh");

/// The lines "KEY: VALUE" that a script has said.
struct Report {
    ran: Ran,
    said: HashMap<String, String>,
}

/// Two machines at the same time would have half of it each.
fn one() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both boots of the one machine: the first ends by `systemctl reboot`, the second by a panic of its kernel.
fn boots() -> &'static [Report; 2] {
    static BOOTS: OnceLock<[Report; 2]> = OnceLock::new();
    BOOTS.get_or_init(|| {
        let _one = one();
        let vm = Vm::new();
        vm.put("busybox", &lab::image::tree("busybox"));
        let first = [
            COMMON,
            include_str!("vm/disks.sh"),
            STORE,
            include_str!("vm/quota.sh"),
            include_str!("vm/limits.sh"),
            include_str!("vm/apparmor.sh"),
            include_str!("vm/links.sh"),
            include_str!("vm/boot.sh"),
        ]
        .concat();
        let second = [COMMON, include_str!("vm/booted.sh")].concat();
        [Report::of(vm.boot(&first, 900)), Report::of(vm.boot(&second, 300))]
    })
}

fn first() -> &'static Report {
    &boots()[0]
}

fn second() -> &'static Report {
    &boots()[1]
}

/// A machine of its own. It is killed in the end, while commands are at work, and booted again; as often as SOUTE_TORTURE
/// says.
fn applied_and_killed() -> &'static [Report] {
    static BOOTS: OnceLock<Vec<Report>> = OnceLock::new();
    BOOTS.get_or_init(|| {
        let _one = one();
        let vm = Vm::new();
        vm.put("postgres", &lab::image::tree("postgres"));
        let killed = |first: &str, report: Option<&Report>| {
            let made = report.map_or("", |report| report.get("made"));
            let script = [COMMON, first, &format!("made='{made}'\n"), STORE, include_str!("vm/killed.sh")].concat();
            let later = Duration::from_millis(u64::from(RandomState::new().hash_one(made) as u16) % 10_000);
            Report::of(vm.boot_and_kill(&script, 900, "at work: ", later))
        };
        let mut reports = vec![killed(include_str!("vm/applied.sh"), None)];
        let rounds = std::env::var("SOUTE_TORTURE").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
        while reports.len() < rounds {
            reports.push(killed("", reports.last()));
        }
        let made = format!("made='{}' last=1\n", reports[reports.len() - 1].get("made"));
        let last = [COMMON, &made, STORE, include_str!("vm/killed.sh")].concat();
        reports.push(Report::of(vm.boot(&last, 900)));
        reports
    })
}

fn applied() -> &'static Report {
    &applied_and_killed()[0]
}

impl Report {
    fn of(ran: Ran) -> Self {
        let said = ran.stdout.lines().filter_map(|line| line.split_once(": "));
        let said = said.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect();
        Self { ran, said }
    }

    #[track_caller]
    fn get(&self, key: &str) -> &str {
        self.said.get(key).unwrap_or_else(|| panic!("nothing said of {key}: {}", self.ran))
    }

    #[track_caller]
    fn number(&self, key: &str) -> u64 {
        self.get(key).parse().unwrap_or_else(|_| panic!("{key} is no number: {}", self.ran))
    }

    #[track_caller]
    fn is(&self, key: &str, value: &str) {
        assert_eq!(self.get(key), value, "{key} of {}", self.ran);
    }

    #[track_caller]
    fn has(&self, key: &str, part: &str) {
        assert!(self.get(key).contains(part), "{part:?} in {key} of {}", self.ran);
    }
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn every_limit_is_in_the_files_of_the_units_cgroup() {
    let report = first();
    for (file, value) in [
        ("memory.max", "67108864"),
        ("memory.high", "50331648"),
        ("memory.low", "8388608"),
        ("memory.swap.max", "16777216"),
        ("cpu.max", "25000 100000"),
        ("cpuset.cpus", "1"),
        ("cpuset.cpus.effective", "1"),
        ("cpu.weight", "250"),
        ("pids.max", "32"),
        (
            "io.max",
            "254:0 rbps=5000000 wbps=2000000 riops=300 wiops=200 254:16 rbps=1048576 wbps=max riops=max wiops=max",
        ),
        ("io.weight", "default 300"),
        ("files", "Max open files 512 1024 files"),
        // `systemctl set-property soute@limited MemoryMax=80M`
        ("live", "83886080"),
    ] {
        report.is(&format!("limited {file}"), value);
    }
    report.has("limited status", " of 64M Tasks: 1 of 32 CPU: ");
    report.has("limited status", "s, at most 0.25 CPUs");
    report.is("pair limits", "100663296 50000 100000 50 67108864");
    report.has("pair status", " of 64M Tasks: 1 of 2048");
    report.is("idle cpu.idle", "1");
    for (file, percent) in [("memory.max", 50), ("pids.max", 10)] {
        let (limit, all) = report.get(&format!("idle {file}")).split_once(" of ").expect("two numbers");
        let (limit, all): (u64, u64) = (limit.parse().expect("a number"), all.parse().expect("a number"));
        // The kernel rounds memory to pages, and a share is of whole hundredths.
        assert!((limit * 100 / percent).abs_diff(all) < 1 << 20, "{file}: {limit} of {all}");
    }
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn postgresql_keeps_every_connection_while_its_limits_change() {
    let report = applied();
    let changes = [
        ("cpu", "limits.cpu-weight live limits.cpus live"),
        ("io", "limits.cpu-weight live limits.cpus live limits.write-iops live"),
        ("lifted", "limits.write-iops live"),
        ("memory", "limits.memory live"),
        ("last", "limits.memory live"),
    ];
    for (step, diff) in changes {
        report.is(&format!("{step} diff"), diff);
        report.is(&format!("{step} apply"), "0");
        report.is(&format!("{step} verify"), "");
        report.is(&format!("{step} connections"), "kept");
    }
    report.is("load errors", "0");
    report.is("load failed", "0 failed");
    report.is("load process", "same");
    assert!(report.number("load seconds") > 10, "{}", report.ran);
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn limits_that_are_applied_bite() {
    let report = applied();
    let watched = |step: &str, what: &str| report.number(&format!("{step} {what}")) * 100;
    let a_second = |step: &str, what: &str| watched(step, what) / report.number(&format!("{step} seconds")).max(1);
    report.is("cpu max", "20000 100000 50");
    assert!(report.number("free throttled") == 0 && report.number("cpu throttled") > 0, "{}", report.ran);
    // Hundredths of a CPU: 20 are the limit, and one that is emulated is not exact.
    assert!(a_second("free", "used") > 2 * a_second("cpu", "used"), "{}", report.ran);
    report.is("io max", "wiops=10");
    assert!(a_second("free", "writes") > 15 && a_second("io", "writes") < 15, "{}", report.ran);
    assert!(report.number("memory current") > report.number("memory limit") + 20, "{}", report.ran);
    let (found, wanted) = report.get("memory max").split_once(' ').expect("two numbers");
    assert_eq!(found, wanted);
    assert!(report.number("memory after") > report.number("memory before"), "{}", report.ran);
    assert!(report.number("memory now") <= report.number("memory limit"), "{}", report.ran);
    report.is("memory killed", "0");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn a_limit_under_present_use_is_said_and_not_set() {
    let report = applied();
    report.has("refused", "limits.memory = 6.0M is less than the ");
    report.has("refused", "that it uses now: --force sets it, and the kernel may kill for it");
    let now = report.get("memory max").split(' ').next().expect("a number");
    report.is("refused max", &format!("{now} 2048"));
    report.has("astray", "limits.memory drift");
    report.has("astray", "memory.max 536870912 the kernel");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn attack_20_memory_ends_at_its_limit_and_that_is_what_is_reported() {
    let report = first();
    report.is("hog-free wait", "0");
    report.is("hog-free result", "success inactive");
    for name in ["hog-first", "hog-child", "hog-again"] {
        report.is(&format!("{name} wait"), "137");
        report.is(&format!("{name} result"), "oom-kill failed");
        report.is(&format!("{name} list"), &format!("{name} busybox failed, out of memory, killed KILL - no - -"));
        report.has(&format!("{name} status"), "out of memory, killed KILL at ");
    }
    report.is("hog-again starts", "2");
    assert!(report.ran.stderr.matches("Memory cgroup out of memory").count() >= 4, "{}", report.ran);
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn a_process_that_is_killed_for_memory_is_told_of_while_its_container_goes_on() {
    let report = first();
    report.is("spared killed", "1 active");
    report.is("spared told", "spared out-of-memory");
    report.is("spared past", "starting ready out-of-memory stopping stopped");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn tasks_end_at_their_limit() {
    let report = first();
    assert!(report.number("crowd-free tasks") > 200, "{}", report.ran);
    assert!(report.number("crowd log") > 0, "{}", report.ran);
    report.is("bomb tasks", "50");
    report.is("bomb left", "0");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn two_busy_loops_get_the_cpus_they_may_have() {
    let report = first();
    let used = |name: &str| report.number(&format!("{name} cpu"));
    assert!(used("busy-free") > 130, "{}", report.ran);
    assert!((10..=25).contains(&used("busy-slow")), "{}", report.ran);
    assert!((60..=110).contains(&used("busy-pinned")), "{}", report.ran);
    for (name, cpus) in [("busy-free", "0-1"), ("busy-slow", "0-1"), ("busy-pinned", "1")] {
        report.is(&format!("{name} cpus"), cpus);
    }
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn reads_and_writes_of_trees_and_raw_disks_go_at_their_limits() {
    let report = first();
    let bites = |disk: &str, what: &str| {
        let free = report.number(&format!("{disk}-free {what}"));
        let slow = report.number(&format!("{disk}-slow {what}"));
        assert!(free < 3000 && (3500..30_000).contains(&slow), "{disk} {what}: {free}, {slow}: {}", report.ran);
    };
    for disk in ["busybox", "ext4"] {
        // 8 MiB at 2 MB/s are 4.2 s, 400 pages at 100 a second 4 s, and at 2 MB/s they were 0.8 s.
        for what in ["write fsync", "write direct", "read direct", "page reads", "page writes"] {
            bites(disk, what);
        }
    }
    bites("busybox", "read cold");
    // What is in the page cache costs no I/O.
    assert!(report.number("busybox-slow read again") < 3000, "{}", report.ran);
    report.is("loop devices left", "0");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn a_copy_may_last_longer_than_the_time_to_be_ready() {
    let report = first();
    // 24 MiB at 2 MB/s are 12.6 s; ready is to be within 2 s.
    for name in ["prompt", "late"] {
        report.is(&format!("{name} state"), "active");
        report.is(&format!("{name} status"), "");
    }
    assert!(report.number("late start") > 10_000, "{}", report.ran);
    assert!(report.number("prompt start") < 8000, "{}", report.ran);
    // Who is not ready after the copy is given up, though not at once: systemd was told that it may take half a minute.
    report.has("mute status", "copying the image, ");
    report.has("mute status", " of 2");
    let (copied, state) = report.get("mute copied").split_once(' ').expect("two words");
    assert!(copied.parse::<u64>().expect("a number") > 10_000 && state == "activating", "{}", report.ran);
    assert!((2000..120_000).contains(&report.number("mute waited")), "{}", report.ran);
    report.is("mute start", "8");
    report.is("mute result", "timeout");
    report.has("mute words", "cannot start mute");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn a_store_that_cannot_be_idmapped_holds_shifted_disks() {
    let report = first();
    // The premise: this tmpfs cannot be idmapped.
    report.has("read-only tmpfs", "1 soute: cannot start unshifted: cannot show the root under the container's ids");
    report.has("volume tmpfs", "cannot show /data under the container's ids (ids = \"none\" does without)");
    report.has("shifted record", "shifted = true copied = \"plain\"");
    report.is("shifted outside", "0 0");
    report.is("shifted inside", "0 0");
    // root's file, and www-data's from before the restart, inside and outside: nothing is shifted twice.
    report.is("shifted again", "0 33 33");
    report.has("shifted status", ", written into the files");
    report.has("write limit tmpfs", "1 soute: cannot start buffered: the file system of the store refuses direct I/O");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn raw_disks_of_every_file_system_run_two_at_a_time() {
    let report = first();
    for fs in ["ext4", "xfs", "btrfs", "erofs"] {
        let is = |key: &str, value: &str| report.is(&format!("{fs} {key}"), value);
        is("root", fs);
        is("owner", "0 0");
        is("other", "cat: can't open '/kept': No such file or directory");
        // Direct I/O and autoclear, both devices.
        is("loops", "1 1");
        is("loops left", "0");
        if fs == "erofs" {
            is("write", "sh: can't create /kept: Read-only file system");
        } else {
            is("write", "kept");
            is("restarted", "kept");
        }
    }
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn an_ext4_disk_grows_under_what_runs_on_it() {
    let report = first();
    let within = |key: &str, most: u64| {
        let found = report.number(key);
        assert!((most * 3 / 4..=most).contains(&found), "{key}: {found} of {most}: {}", report.ran);
    };
    within("grows first", 32);
    report.is("grows disk grow", "0");
    within("grows second", 48);
    report.is("grows apply", "0");
    within("grows third", 64);
    // No more than it has.
    report.has("grows filled", "No space left on device");
    within("grows written", 64);
    report.is("grows process", "same kept");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn attack_12_no_quota_on_ext4_or_xfs_leaves_what_was() {
    let report = first();
    for fs in ["ext4", "xfs"] {
        report.is(&format!("quota {fs}"), "whole");
        report.has(&format!("quota {fs} start"), "1 soute: cannot start quota-first: ");
        report.is(&format!("quota {fs} root"), "none");
        report.is(&format!("quota {fs} again"), "root");
    }
    report.has("quota ext4 start", "Disk quota exceeded");
    report.has("quota xfs start", "No space left on device");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn attack_11_a_machine_that_is_killed_has_everything_absent_or_whole() {
    let reports = applied_and_killed();
    for (killed, after) in reports.iter().zip(&reports[1..]) {
        assert_eq!(killed.ran.status, -1, "{}", killed.ran);
        killed.is("at work", "now");
        after.is("after the kill", "whole");
    }
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn squashfs_that_cannot_be_idmapped_is_refused_by_saying_so() {
    let report = first();
    let why = "cannot show the root under the container's ids: squashfs can since Linux 6.2";
    report.has("squashfs", &format!("1 soute: cannot start squashfs-a: {why}"));
    report.has("squashfs unit", &format!("exit-code Status: {why}"));
    report.is("squashfs host ids", "0 0");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn attack_48_an_ext4_image_that_asks_for_a_panic_gets_none() {
    let report = first();
    for image in ["at-mount", "at-look"] {
        report.has(&format!("/root/{image}.raw"), "Panic");
    }
    report.has("panic at mount", "1 soute: cannot start at-mount: cannot mount the raw disk as ext4");
    report.has("panic at mount", "the file system is damaged");
    report.is("panic at look before", "fine");
    report.is("panic at look", "ls: /bad: Bad message touch: /more: Read-only file system");
    assert!(report.number("panic kernel") >= 2, "{}", report.ran);
    // The premise, last of all: the same image, mounted plainly, ends the machine.
    let report = second();
    report.is("mounting", "/root/at-mount.raw");
    assert!(report.ran.stderr.contains("Kernel panic - not syncing: EXT4-fs"), "{}", report.ran);
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn a_reboot_brings_back_what_was_asked_for_in_its_order() {
    let (before, after) = (first(), second());
    assert_eq!((before.ran.status, after.ran.status), (-1, -1), "{}{}", before.ran, after.ran);
    assert_ne!(before.get("boot id"), after.get("boot id"));
    for name in ["db", "web", "alone", "enabled", "bridged"] {
        after.is(&format!("{name} state"), "active");
    }
    after.is("manual state", "inactive");
    after.is("instances", "alone bridged db enabled web");
    after.has("enabled by", "started at boot by systemctl");
    for name in ["db", "web", "enabled"] {
        after.is(&format!("{name} kept"), name);
        after.is(&format!("{name} ids"), before.get(&format!("{name} ids")));
    }
    for (first, then) in [("db", "web"), ("web", "alone")] {
        let (ready, began) = (after.number(&format!("{first} ready")), after.number(&format!("{then} began")));
        assert!(0 < ready && ready <= began, "{then} before {first}: {}", after.ran);
    }
    // Its bridge came up 5 s later than the launcher.
    after.has("bridged link", "1 bridged busybox running ");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn shutdown_stops_in_the_reverse_order() {
    let report = second();
    let at = |words: &str| report.get("shutdown").find(words).unwrap_or_else(|| panic!("{words}: {}", report.ran));
    assert!(at("Stopped soute@alone") < at("Stopping soute@web"), "{}", report.ran);
    assert!(at("Stopped soute@web") < at("Stopping soute@db"), "{}", report.ran);
    report.is("last exit", "result = \"stopped\"");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn a_broken_definition_is_a_failed_unit_and_holds_nobody_up() {
    let report = second();
    report.is("broken unit", "failed");
    report.is("failed units", "soute-start@broken.service");
    report.has("broken log", "unknown key \"comand\" --> /etc/soute/containers/broken.toml:3:1");
    report.has("broken log", "did you mean \"command\"?");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn profile_of_apparmor_confines_payload_and_exec() {
    let report = first();
    report.is("free reads", "told");
    report.is("payload's profile", "soute-test (enforce)");
    report.is("exec's profile", "soute-test (enforce)");
    report.is("confined reads", "1 cat: can't open '/secret': Permission denied");
    report.is("audit", "0");
    report.has("no such profile", "cannot confine the payload to AppArmor profile soute-nosuch");
    report.has("no such module", "this host has no SELinux that is on");
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn a_vlan_is_a_bridge_of_its_own() {
    let report = first();
    report.is("vlan same", "yes yes");
    report.is("vlan other", "no no no no");
    report.is("vlan trunk", "yes yes");
    report.is("vlan address", "1 1");
    report.is("vlan spoofed", "no");
    report.is("vlan bridges", "1 1 3");
    for members in ["1PE", "20PE", "30PE", "20 30"] {
        let ports = report.get("vlan members");
        assert!(ports.split(';').any(|port| port.trim() == members), "{ports}");
    }
}

#[test]
#[ignore = "rung 3: virtual machine"]
fn a_network_card_comes_back_by_its_name() {
    let report = first();
    report.is("ipvlan", "yes yes");
    report.is("ipvlan again", "yes");
    report.is("card inside", "1 0");
    report.is("card again", "1 0");
    assert!(report.get("card back").starts_with("1 "), "{}", report.get("card back"));
    assert!(report.get("card astray").contains("eth0"), "{}", report.get("card astray"));
    report.is("card found", "1");
    report.is("card at last", "1");
}
