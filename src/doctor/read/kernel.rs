//! What the kernel that runs can do.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{FsOpenFlags, OpenTreeFlags, fsopen, open_tree};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::doctor::facts::Kernel;

/// Options by their names, with the module that each is where it is one.
const OPTIONS: [(&str, &str); 9] = [
    ("VETH", "veth"),
    ("BRIDGE", "bridge"),
    ("USER_NS", ""),
    ("SECCOMP_FILTER", ""),
    ("BRIDGE_VLAN_FILTERING", ""),
    ("MACVLAN", "macvlan"),
    ("IPVLAN", "ipvlan"),
    ("BLK_DEV_LOOP", "loop"),
    ("NET_SCH_TBF", "sch_tbf"),
];
/// A configuration has 300 KiB.
const LONGEST: u64 = 8 << 20;

pub fn read() -> Kernel {
    let names = nix::sys::utsname::uname();
    let release = names.map(|names| names.release().to_string_lossy().into_owned()).unwrap_or_default();
    Kernel {
        options: config(&release).map(|config| options(&config, &release)).unwrap_or_default(),
        failing_calls: failing_calls(),
        seccomp: fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").ok(),
        release,
    }
}

fn config(release: &str) -> Option<String> {
    let mut text = String::new();
    let packed = fs::File::open("/proc/config.gz").ok();
    let unpacked = packed.and_then(|file| niffler::send::get_reader(Box::new(file)).ok()).map(|(reader, _)| reader);
    let installed = [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config")];
    match unpacked {
        Some(reader) => reader.take(LONGEST).read_to_string(&mut text).ok()?,
        None => {
            let file = installed.iter().find_map(|path| fs::File::open(path).ok())?;
            file.take(LONGEST).read_to_string(&mut text).ok()?
        }
    };
    Some(text)
}

fn options(config: &str, release: &str) -> BTreeMap<&'static str, String> {
    let modules = fs::read_to_string(Path::new("/lib/modules").join(release).join("modules.dep")).unwrap_or_default();
    let is_there = |module: &str| {
        // "kernel/drivers/net/veth.ko.xz: …"
        let file = format!("/{module}.ko");
        let listed = modules.lines().filter_map(|line| line.split(':').next()).any(|path| path.contains(&file));
        listed || Path::new("/sys/module").join(module).exists()
    };
    let value = |(option, module): (&'static str, &str)| {
        let prefix = format!("CONFIG_{option}=");
        let value = match config.lines().find_map(|line| line.strip_prefix(&prefix)) {
            Some("m") if !is_there(module) => "m, not installed",
            Some(value) => value,
            None => "n",
        };
        (option, value.to_owned())
    };
    OPTIONS.into_iter().map(value).collect()
}

/// Calls of the newer kind, tried on what is there. Old container managers and their filters refuse them.
fn failing_calls() -> BTreeMap<&'static str, String> {
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let tried = [
        ("openat2", openat2(CWD, "/", directory, Mode::empty(), ResolveFlags::IN_ROOT).map(drop)),
        ("pidfd_open", pidfd_open(getpid(), PidfdFlags::empty()).map(drop)),
        ("open_tree", open_tree(CWD, "/", OpenTreeFlags::OPEN_TREE_CLOEXEC).map(drop)),
        ("fsopen", fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map(drop)),
    ];
    let failed = tried.into_iter().filter_map(|(call, result)| Some((call, result.err()?)));
    failed.map(|(call, errno)| (call, crate::error::Error::from(errno).to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_built_in_modules_or_absent() {
        let config = "CONFIG_VETH=y\n# CONFIG_IPVLAN is not set\nCONFIG_MACVLAN=m\nCONFIG_BRIDGE_NETFILTER=y\n";
        let options = options(config, "no-such-release");
        assert_eq!(options["VETH"], "y");
        assert_eq!((options["IPVLAN"].as_str(), options["BRIDGE"].as_str()), ("n", "n"));
        // Here it may be loaded all the same.
        assert!(options["MACVLAN"].starts_with('m'));
    }
}
