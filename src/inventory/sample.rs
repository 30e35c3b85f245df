//! What running containers use at one moment: files of their cgroups, and counters of their links.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use crate::error::Exit;
use crate::plan::Plan;
use crate::sandbox::exec::Target;
use crate::settings::Host;

/// One container.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// When this was so.
    #[serde(skip)]
    pub at: Instant,
    /// Microseconds of CPU time.
    pub cpu_usec: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// None is no limit.
    pub memory_max: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// None is no limit.
    pub tasks_max: Option<u64>,
    /// Of block devices, since the start.
    pub read_bytes: Option<u64>,
    /// The same.
    pub write_bytes: Option<u64>,
    /// What the container has received and sent, over all its links.
    pub receive_bytes: Option<u64>,
    /// The other way.
    pub transmit_bytes: Option<u64>,
    /// Percent of the last ten seconds in which somebody waited for it.
    pub pressure_cpu: Option<f64>,
    /// The same, for memory.
    pub pressure_memory: Option<f64>,
    /// The same, for disks.
    pub pressure_io: Option<f64>,
}

/// Where the numbers of a container are.
pub struct Meter {
    name: String,
    cgroup: PathBuf,
    /// The host ends of its links.
    links: Vec<String>,
}

impl Meter {
    /// None where it does not run.
    pub fn of(host: &Host, name: &str) -> Option<Self> {
        let plan = Plan::of(&host.layout, name).ok();
        let cgroup = match Target::anyhow(&host.layout, name) {
            Ok(target) => target.cgroup().to_owned(),
            // Everybody may read what is in it.
            Err(error) if error.exit() == Exit::NotPermitted => plan.as_ref()?.cgroup(),
            Err(_) => return None,
        };
        let links = plan.iter().flat_map(|plan| &plan.links).filter_map(|link| Some(link.port()?.host_name.clone()));
        Some(Self { name: name.to_owned(), cgroup, links: links.collect() })
    }

    /// Now; none where it has ended.
    pub fn read(&self) -> Option<Sample> {
        let text = |file: &str| fs::read_to_string(self.cgroup.join(file)).ok();
        let number = |file: &str| text(file)?.trim().parse::<u64>().ok();
        text("cgroup.procs")?;
        let io = text("io.stat");
        Some(Sample {
            name: self.name.clone(),
            at: Instant::now(),
            cpu_usec: text("cpu.stat").and_then(|stat| keyed(&stat, "usage_usec")),
            memory: number("memory.current"),
            memory_max: number("memory.max"),
            tasks: number("pids.current"),
            tasks_max: number("pids.max"),
            read_bytes: io.as_deref().map(|stat| summed(stat, "rbytes=")),
            write_bytes: io.as_deref().map(|stat| summed(stat, "wbytes=")),
            // What the host's end sends is what the container receives.
            receive_bytes: self.counter("tx_bytes"),
            transmit_bytes: self.counter("rx_bytes"),
            pressure_cpu: text("cpu.pressure").and_then(|text| pressure(&text)),
            pressure_memory: text("memory.pressure").and_then(|text| pressure(&text)),
            pressure_io: text("io.pressure").and_then(|text| pressure(&text)),
        })
    }

    fn counter(&self, which: &str) -> Option<u64> {
        let of = |link: &String| {
            let path = Path::new("/sys/class/net").join(link).join("statistics").join(which);
            fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
        };
        if self.links.is_empty() { None } else { self.links.iter().map(of).sum() }
    }
}

/// `usage_usec 42`
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

/// `8:0 rbytes=1 wbytes=2 …`, a line a device.
fn summed(text: &str, key: &str) -> u64 {
    text.split_whitespace().filter_map(|field| field.strip_prefix(key)?.parse::<u64>().ok()).sum()
}

/// `some avg10=1.50 …`
fn pressure(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("some avg10=")?.split(' ').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_cgroup() {
        assert_eq!(keyed("usage_usec 42\nuser_usec 40\n", "usage_usec"), Some(42));
        assert_eq!(summed("8:0 rbytes=10 wbytes=2 rios=1\n7:1 rbytes=5 wbytes=3\n", "rbytes="), 15);
        assert_eq!(summed("", "wbytes="), 0);
        assert_eq!(pressure("some avg10=1.50 avg60=0.00 avg300=0.00 total=7\nfull avg10=9.00\n"), Some(1.5));
    }
}
