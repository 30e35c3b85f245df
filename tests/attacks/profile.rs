//! `exec`, `shell`, `reload` and every kind of restart give exactly the profile that `start` gives.

use std::time::Duration;

use crate::lab::Lab;
use crate::lab::probe::{self, Report};
use crate::lab::script::both;

both!(
    a_plain_container_has_one_profile,
    a_user_of_the_image_has_one_profile,
    a_user_by_number_has_one_profile,
    a_container_with_a_reaper_has_one_profile,
    a_container_that_boots_has_one_profile,
    changed_capabilities_are_one_profile,
    a_container_without_a_filter_has_one_profile,
    root_of_the_host_has_one_profile,
    what_systemd_limits_has_one_profile,
);

const PATIENCE: Duration = Duration::from_secs(120);
/// What a shell sets for those that it starts.
const SHELLS: [&str; 4] = ["environment.PWD ", "environment.OLDPWD ", "environment.SHLVL ", "environment._ "];

fn a_plain_container_has_one_profile(lab: &Lab) {
    one_profile(lab, "p-plain", "");
}

fn a_user_of_the_image_has_one_profile(lab: &Lab) {
    let report = one_profile(lab, "p-user", "user = 'www-data'\ngroups = ['tty']");
    assert_eq!(report.get("status.Uid"), "33 33 33 33");
    assert_eq!(report.get("status.Groups"), "5 33 50");
    assert_eq!(report.get("status.CapEff"), "0000000000000000");
}

fn a_user_by_number_has_one_profile(lab: &Lab) {
    let report = one_profile(lab, "p-number", "user = '1000'");
    assert_eq!(report.get("status.Uid"), "1000 1000 1000 1000");
}

fn a_container_with_a_reaper_has_one_profile(lab: &Lab) {
    one_profile(lab, "p-reaper", "init = 'reaper'");
}

fn a_container_that_boots_has_one_profile(lab: &Lab) {
    let report = one_profile(lab, "p-boots", "init = 'image'\nready = 'exec'\nstop.signal = 'SIGKILL'");
    // The groups below its own are its own to make.
    assert_eq!(report.get("cgroup.make"), "done");
}

fn changed_capabilities_are_one_profile(lab: &Lab) {
    let report = one_profile(
        lab,
        "p-changed",
        "security.no-new-privileges = false\nsecurity.capabilities = { add = ['NET_ADMIN'], drop = ['CHOWN'] }",
    );
    assert_eq!(report.get("status.CapBnd"), "00000000800415fa");
    assert_eq!(report.get("status.NoNewPrivs"), "0");
}

fn a_container_without_a_filter_has_one_profile(lab: &Lab) {
    let report = one_profile(lab, "p-unfiltered", "security.seccomp = 'off'\ndisk.mode = 'fresh'");
    assert_eq!(report.get("status.Seccomp"), "0");
}

fn root_of_the_host_has_one_profile(lab: &Lab) {
    let report = one_profile(lab, "p-host", "namespaces.user = 'host'\nsecurity.allow-syscalls = ['mbind']");
    assert_eq!(report.get("namespace.user"), "host");
    assert_eq!(report.get("status.Seccomp"), "2");
}

/// What the payload inherits of the unit, a command has to be given.
fn what_systemd_limits_has_one_profile(lab: &Lab) {
    let report = one_profile(
        lab,
        "p-limited",
        "umask = '0077'\nlimits.rlimits = { nofile = '100:200', core = 1024 }\nlimits.cpu-set = '0'\n\
         systemd = { OOMScoreAdjust = 500, Nice = 5, IOSchedulingClass = 'idle', CPUSchedulingPolicy = 'batch' }",
    );
    assert_eq!(report.get("limit.Max-open-files"), "100 200");
    assert_eq!(report.get("oom_score_adj"), "500");
    assert_eq!(report.get("process.nice"), "15");
}

/// Starts a container by every way there is, goes into it by every way, and compares. Gives the report of the start.
fn one_profile(lab: &Lab, name: &str, more: &str) -> Report {
    probe::import(lab);
    let host = probe::host(lab);
    let argv = |more: &[&str]| {
        let words = ["/probe"].into_iter().chain(host.iter().map(String::as_str)).chain(more.iter().copied());
        words.map(|word| format!("'{word}'")).collect::<Vec<_>>()
    };
    lab.define(
        name,
        &format!(
            "image = 'probe'\n{more}\ncommand = [{}]\nreload.command = [{}]\nrestart = {{ delay = '50ms', limit = 0 }}\n",
            argv(&["--hold", "--output", "/tmp/report"]).join(", "),
            argv(&["--output", "/tmp/reloaded"]).join(", "),
        ),
    );
    let written = |file: &str| {
        let path = format!("/var/lib/soute/disks/{name}/root/tmp/{file}");
        let text = lab.wait_for(&format!("cat {path}"), PATIENCE);
        lab.ok(&format!("rm {path}"));
        Report::new(&text)
    };
    lab.ok(&format!("soute start {name}"));
    let started = written("report");
    let again = |line: &str| {
        lab.ok(line);
        started.is(&written("report"), line);
    };
    let exec = Report::new(&lab.ok(&format!("soute exec {name} -- {}", argv(&[]).join(" "))));
    started.is(&exec, "soute exec");
    let shell = Report::new(&lab.ok(&format!("echo \"{}\" | soute shell {name}", argv(&[]).join(" "))));
    started.without(&SHELLS).is(&shell.without(&SHELLS), "soute shell");
    lab.ok(&format!("soute reload {name}"));
    started.is(&written("reloaded"), "reload.command");
    again(&format!("soute restart {name}"));
    again(&format!("systemctl restart soute@{name}"));
    again(&format!("systemctl kill --kill-who=main -s KILL soute@{name}"));
    again(&format!("systemctl stop soute@{name}; systemctl start soute-start@{name}"));
    lab.ok(&format!("soute remove --force {name}"));
    started
}
