//! /proc/sys, without what changes by itself.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::Item;
use crate::error::{Context, Result};

/// More than any of them has to say.
const LONGEST: u64 = 1 << 16;

/// What changes without anybody's doing. A directory stands for all that is in it.
const VOLATILE: [(&str, &str); 20] = [
    ("fs/aio-nr", "a count of what is in use"),
    ("fs/binfmt_misc", "a file system of its own, which a look would mount"),
    ("fs/dentry-negative", "a count where the kernel makes it one"),
    ("fs/dentry-state", "a count"),
    ("fs/file-nr", "a count"),
    ("fs/inode-nr", "a count"),
    ("fs/inode-state", "a count"),
    ("fs/quota", "counts of lookups and drops"),
    ("fs/xfs/stats_clear", "an order"),
    ("kernel/hung_task_detect_count", "a count"),
    ("kernel/ns_last_pid", "the process that was made last"),
    ("kernel/perf_cpu_time_max_percent", "goes with the next"),
    ("kernel/perf_event_max_sample_rate", "the kernel lowers it when interrupts take long"),
    ("kernel/pty/nr", "a count"),
    ("kernel/random/entropy_avail", "a measure"),
    ("kernel/random/uuid", "another one at each look"),
    ("kernel/sched_domain", "measures of the scheduler, before Linux 5.13"),
    ("net/netfilter/nf_conntrack_count", "a count"),
    ("vm/nr_hugepages_mempolicy", "goes by who asks"),
    ("vm/stat_refresh", "an order"),
];

/// Everything below `root` that can be read.
pub fn read(root: &Path) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    walk(root, "", &mut items)?;
    items.sort();
    Ok(items)
}

fn walk(root: &Path, below: &str, items: &mut Vec<Item>) -> Result<()> {
    let directory = root.join(below);
    let entries = match fs::read_dir(&directory) {
        // The directory of a link goes with it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !below.is_empty() => return Ok(()),
        entries => entries.with_context(|| format!("cannot read {}", directory.display()))?,
    };
    for entry in entries.filter_map(|entry| entry.ok()) {
        let name = entry.file_name();
        let path = match below {
            "" => name.to_string_lossy().into_owned(),
            _ => format!("{below}/{}", name.to_string_lossy()),
        };
        if VOLATILE.iter().any(|(volatile, _)| *volatile == path) {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(root, &path, items)?,
            Ok(kind) if kind.is_file() => items.extend(value(root, &path)),
            _ => {}
        }
    }
    Ok(())
}

/// Some can only be written, some have no value until one is written (stable_secret): neither is a value.
fn value(root: &Path, path: &str) -> Option<Item> {
    let file = root.join(path);
    if fs::metadata(&file).ok()?.permissions().mode() & 0o444 == 0 {
        return None;
    }
    let opened = fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(file).ok()?;
    let mut bytes = Vec::new();
    opened.take(LONGEST).read_to_end(&mut bytes).ok()?;
    let value = String::from_utf8_lossy(&bytes);
    Some(Item {
        link: link(path),
        text: format!("{} = {}", path.replace('/', "."), value.trim_end().replace('\n', "; ")),
    })
}

/// The link whose it is: net/ipv4/conf/LINK/…, net/ipv6/neigh/LINK/…, net/mpls/conf/LINK/….
fn link(path: &str) -> Option<String> {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["net", _, "conf" | "neigh", "all" | "default", ..] => None,
        ["net", _, "conf" | "neigh", link, _] => Some(link.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysctl_of_a_link_goes_with_the_link() {
        assert_eq!(link("net/ipv4/conf/eth0.20/forwarding").as_deref(), Some("eth0.20"));
        assert_eq!(link("net/ipv6/neigh/vb-0011/gc_stale_time").as_deref(), Some("vb-0011"));
        assert_eq!(link("net/ipv4/conf/all/forwarding"), None);
        assert_eq!(link("net/ipv4/neigh/default/gc_thresh1"), None);
        assert_eq!(link("net/ipv4/ip_forward"), None);
    }

    #[test]
    fn values_are_read_and_counts_are_not() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("net/ipv4/ip_forward", "0\n");
        write("fs/file-nr", "10\t0\t100\n");
        write("fs/quota/reads", "7\n");
        write("kernel/printk", "4\t4\n1\n");
        let texts: Vec<_> = read(root.path()).unwrap().into_iter().map(|item| item.text).collect();
        assert_eq!(texts, ["kernel.printk = 4\t4; 1", "net.ipv4.ip_forward = 0"]);
        assert!(VOLATILE.is_sorted());
    }
}
