//! Control groups: what of them can be seen, and whether a limit of its own or of its neighbours could be changed.

use std::ffi::CStr;
use std::fs::{self, OpenOptions};

use crate::sys::{Errno, attempt, attempt_apart, call, mount_at, name, number};
use crate::{Options, Report};

const FILES: [&str; 12] = [
    "cgroup.procs",
    "cgroup.threads",
    "cgroup.subtree_control",
    "cgroup.freeze",
    "cgroup.kill",
    "cgroup.max.depth",
    "cgroup.max.descendants",
    "cgroup.type",
    "memory.max",
    "cpu.max",
    "pids.max",
    "io.max",
];

const CLONE_NEWNS: usize = 0x0002_0000;
const CLONE_NEWCGROUP: usize = 0x0200_0000;
const CLONE_NEWUSER: usize = 0x1000_0000;

pub fn report(_: &Options, report: &mut Report) {
    // "0::/../.." names groups of the host.
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let outside = own.lines().any(|line| line.starts_with("0::/.."));
    report.line("cgroup.own-path", if outside { "outside" } else { "inside" });
    let first = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    report.line("cgroup.names-units-of-the-host", if (own + &first).contains(".slice/") { "yes" } else { "no" });
    for file in FILES {
        report.line(&format!("cgroup.write.{file}"), write(&format!("/sys/fs/cgroup/{file}")));
    }
    // A group that is mounted shows its parent's files nowhere; these are names to try all the same.
    for file in ["cgroup.procs", "memory.max"] {
        report.line(&format!("cgroup.write-parent.{file}"), write(&format!("/sys/fs/cgroup/../cgroup/../{file}")));
    }
    report.line(
        "cgroup.make",
        attempt(|| {
            let group = "/sys/fs/cgroup/probe";
            fs::create_dir(group)
                .and_then(|()| fs::remove_dir(group))
                .map_err(|error| error.raw_os_error().unwrap_or(0))
        }),
    );
    report.line("cgroup.mount-2", attempt_apart(|| mount_at(c"none", c"/tmp", c"cgroup2", 0, None)));
    for controller in [c"memory", c"rdma", c"none,name=probe"] {
        let what = controller.to_string_lossy().replace("none,", "");
        report.line(
            &format!("cgroup.mount-1.{what}"),
            attempt_apart(|| mount_at(c"none", c"/tmp", c"cgroup", 0, Some(controller))),
        );
        report.line(&format!("cgroup.release-agent.{what}"), attempt(|| release_agent(controller)));
    }
}

fn write(path: &str) -> String {
    let opened = OpenOptions::new().write(true).open(path);
    opened.map_or_else(|error| name(error.raw_os_error().unwrap_or(0)), |_| "writable".to_owned())
}

/// CVE-2022-0492: root of a user namespace of one's own mounts a v1 hierarchy, whose release_agent the host executes.
fn release_agent(controller: &CStr) -> Result<(), Errno> {
    call(number("unshare"), [CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP])?;
    mount_at(c"none", c"/tmp", c"cgroup", 0, Some(controller))?;
    let file = OpenOptions::new().write(true).open("/tmp/release_agent");
    file.map(drop).map_err(|error| error.raw_os_error().unwrap_or(0))
}
