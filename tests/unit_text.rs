//! `soute unit` against what systemd has made of the same properties: three readings of one unit have to agree.

mod lab;

use std::process::Command;

use lab::in_labs;
use soute::definition::Definition;
use soute::image::raw::superblock::FsType;
use soute::image::store::{Declared, ImageInfo, Kind};
use soute::layout::Layout;
use soute::plan::{Facts, Plan, Property, Unit, Value};
use soute::systemd::{Manager, Start, unit_text};

/// A definition that sets every property that the plan can.
const DEFINITION: &str = r#"
description = "50% of \"it\"; $HOME is 'where' it \\ is"
image = "busybox"
command = ["true"]
requires = ["db", "nss-lookup.target"]
wants = ["cache", "time-sync.target"]
after = ["network-online.target"]
start-timeout = "1min 500ms"
[limits]
memory = "256M"
memory-high = "50%"
memory-low = "16M"
swap = 0
cpus = 1.25
cpu-set = "0-1"
cpu-weight = "idle"
tasks = 100
read-bandwidth = "50MB/s"
write-iops = 1000
io-weight = 50
rlimits = { nofile = "1024:4096", nice = 5, rttime = 1000000, core = "infinity" }
[[limits.device]]
path = "/usr"
write-bandwidth = "1MiB/s"
[[mount]]
source = "/srv/my files"
target = "/srv"
[restart]
policy = "no"
delay = "1500ms"
limit = 3
interval = "2min"
success-status = [143, "SIGUSR1"]
[stop]
signal = "SIGRTMIN+3"
timeout = "infinity"
[reload]
signal = "SIGHUP"
[log]
identifier = "my web"
rate-limit = "100/10s"
[systemd]
OOMScoreAdjust = 500
LogLevelMax = "info"
RuntimeMaxSec = "1h"
MemoryMin = "1M"
OnFailure = "mail@soute.service"
ManagedOOMMemoryPressureLimit = "60%"
CPUSchedulingPolicy = "batch"
IOSchedulingClass = "idle"
CoredumpFilter = 51
TimerSlackNSec = "50us"
CPUQuotaPeriodSec = "20ms"
Documentation = "https://example.org/"
SendSIGHUP = true
"#;

fn unit(raw: bool) -> Unit {
    let image = ImageInfo {
        kind: if raw { Kind::Raw } else { Kind::Tree },
        fs: raw.then_some(FsType::Ext4),
        origin: "test".into(),
        digest: "sha256:ab".into(),
        manifest: None,
        pinned: None,
        verified: None,
        created: "2026-01-01T00:00:00Z".into(),
        size: 1,
        declared: Declared::default(),
    };
    let facts = Facts {
        replica_of: None,
        group: None,
        name: "text".into(),
        definition: Some("/etc/soute/containers/text.toml".into()),
        layout: Layout::new("/"),
        runner: "/usr/bin/true".into(),
        image,
        ids: Some(524_288),
        machined: None,
        addresses: Default::default(),
        resolvers: Vec::new(),
        machine_id: "0".repeat(32),
        ipv6: true,
        memory: 8 << 30,
        tasks: 32768,
        timezone: None,
        exposed: vec![],
        image_environment: vec![],
        file_environment: vec![],
    };
    let definition: Definition = toml::from_str(DEFINITION).expect("the definition");
    Plan::build(&definition, &facts).expect("a plan").unit
}

/// What systemd says of each property of `unit`, as unit `name`.
fn shown(unit: &Unit, name: &str) -> Vec<(String, String)> {
    let show = |property: &str| {
        let output =
            Command::new("systemctl").args(["show", "--value", "-p", property, name]).output().expect("systemctl");
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        // What has run shows when it did, after the settings of the command.
        let mut lines: Vec<_> = text.lines().map(|line| line.split(" ; start_time=").next().unwrap_or(line)).collect();
        // A list that was read anew comes in the opposite order.
        lines.sort_unstable();
        lines.join("\n")
    };
    // systemd keeps lists of units in hash tables.
    let sorted = |property: &Property| match &property.value {
        Value::Texts(_) => {
            let shown = show(&property.name);
            let mut words: Vec<_> = shown.split(' ').collect();
            words.sort_unstable();
            words.join(" ")
        }
        _ => show(&property.name),
    };
    unit.properties.iter().map(|property| (property.name.clone(), sorted(property))).collect()
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn text_and_transient_unit_and_its_file_agree() {
    in_labs("text_and_transient_unit_and_its_file_agree", || {
        let manager = Manager::connect().expect("systemd");
        for raw in [false, true] {
            for directory in ["/etc/soute/containers", "/var/lib/soute/disks", "/srv/my files"] {
                std::fs::create_dir_all(directory).unwrap();
            }
            std::fs::write("/etc/soute/containers/text.toml", DEFINITION).unwrap();
            std::fs::write("/run/systemd/system/soute-up@.target", "[Unit]\nStopWhenUnneeded=yes\n").unwrap();
            let mut unit = unit(raw);
            // It would need the log socket's unit, of which this test is not.
            unit.properties.retain(|property| property.name != "Requires");
            // `true` never says READY=1, so the start fails and the unit stays to be looked at.
            assert!(manager.start_transient(&unit, Start::default()).is_err());
            let sent = shown(&unit, &unit.name);

            let text = unit_text(&unit);
            std::fs::write("/run/systemd/system/as-text.service", &text).unwrap();
            let read = shown(&unit, "as-text.service");
            for (sent, read) in sent.iter().zip(&read) {
                assert_eq!(sent, read, "left as it was sent, right as it was read from\n{text}");
            }

            assert!(Command::new("systemctl").arg("daemon-reload").status().unwrap().success());
            for (before, after) in sent.iter().zip(&shown(&unit, &unit.name)) {
                assert_eq!(before, after, "before and after a reload");
            }
            manager.reset_failed(&unit.name).unwrap();
        }
    });
}
