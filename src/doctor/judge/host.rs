//! Kernel, control groups, systemd, and what is shared by all containers of a host.

use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;

/// systemd's that soute is tested with.
const OLDEST_SYSTEMD: u32 = 252;
/// What the kernel was last taught of what soute needs: mount_setattr(2) with an idmap.
const OLDEST_KERNEL: (u32, u32) = (5, 12);

/// Sysctls of distributions, and the value with which users make no user namespaces.
const RESTRICTIONS: [(&str, u64); 2] =
    [("kernel/apparmor_restrict_unprivileged_userns", 1), ("kernel/unprivileged_userns_clone", 0)];

/// Kernel options: what it is, what needs it, whether nothing works without it.
const OPTIONS: [(&str, &str, bool); 9] = [
    ("VETH", "links to bridges", true),
    ("BRIDGE", "bridges", true),
    ("USER_NS", "ids of their own", true),
    ("SECCOMP_FILTER", "filters of system calls", true),
    ("BRIDGE_VLAN_FILTERING", "vlan and tagged", false),
    ("MACVLAN", "kind = \"macvlan\"", false),
    ("IPVLAN", "kind = \"ipvlan\"", false),
    ("BLK_DEV_LOOP", "raw images", false),
    ("NET_SCH_TBF", "rate", false),
];

/// Controllers: the file, the keys that need it.
const CONTROLLERS: [(&str, &str); 5] = [
    ("memory", "memory and swap"),
    ("pids", "tasks"),
    ("cpu", "cpus and cpu-weight"),
    ("cpuset", "cpu-set"),
    ("io", "read-bandwidth and the like"),
];

/// Programs of features: the path's end, what it is for, the package of Debian.
const PROGRAMS: [(&str, &str, &str); 2] = [
    ("systemd-machined", "machinectl, and names of containers on the host", "systemd-container"),
    ("gpgv", "signatures of downloads", "gpgv"),
];

pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut list = kernel(facts);
    list.extend(user_namespaces(facts));
    list.extend(cgroups(facts));
    list.extend(systemd(facts));
    list
}

fn kernel(facts: &Facts) -> Vec<Finding> {
    let kernel = &facts.kernel;
    let mut numbers = kernel.release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let mut list = vec![match version >= OLDEST_KERNEL {
        true => Finding::ok("kernel", kernel.release.clone()),
        false => Finding::problem("kernel", kernel.release.clone(), "install Linux 5.12 or later"),
    }];
    for (call, error) in &kernel.failing_calls {
        let fix = "a kernel that has it, or a host (container, sandbox) that allows it";
        list.push(Finding::problem(&format!("system call {call}"), error.clone(), fix));
    }
    if kernel.seccomp.as_deref().is_some_and(|actions| !actions.split(' ').any(|action| action == "kill_process")) {
        list.push(Finding::problem("seccomp", "filters cannot end a process", "a kernel with CONFIG_SECCOMP_FILTER"));
    }
    for (option, what, needed) in OPTIONS {
        let (found, fix) = match kernel.options.get(option).map(String::as_str) {
            None | Some("y" | "m") => continue,
            Some("n") => (format!("the kernel was built without CONFIG_{option}"), "a kernel with it".to_owned()),
            Some(_) => (
                format!("the module of CONFIG_{option} is not installed"),
                "install the modules of the kernel that runs, or boot the one that is installed".to_owned(),
            ),
        };
        let grade = if needed {
            Finding::problem
        } else {
            |what: &str, found: String, fix: String| Finding::warning(what, found, fix)
        };
        list.push(grade(what, found, fix));
    }
    list
}

fn user_namespaces(facts: &Facts) -> Vec<Finding> {
    let limits = ["user", "mnt", "net", "pid", "ipc", "uts", "cgroup"];
    let least = limits.iter().filter_map(|kind| {
        facts
            .sysctls
            .get(&format!("user/max_{kind}_namespaces"))
            .map(|limit| (*limit, format!("user.max_{kind}_namespaces")))
    });
    let Some((limit, name)) = least.min() else { return Vec::new() };
    let mut list: Vec<_> =
        RESTRICTIONS.iter().filter(|(path, forbids)| facts.sysctls.get(*path) == Some(forbids)).map(inside).collect();
    let needed = facts.definitions.count.max(1);
    let fix = format!("sysctl {name}=65536, in /etc/sysctl.d to keep it");
    list.push(match limit {
        0 => Finding::problem("namespaces", format!("{name} = 0"), fix),
        limit if limit < needed => {
            Finding::problem("namespaces", format!("{name} = {limit}, and there are {needed} definitions"), fix)
        }
        limit => Finding::ok("namespaces", format!("at least {limit} of each kind")),
    });
    list
}

/// root, and so soute, is above these: they are for what runs in containers, and for users.
fn inside((path, value): &(&str, u64)) -> Finding {
    let name = path.replace('/', ".");
    Finding::ok(
        "namespaces",
        format!("{name} = {value}: not for root, but programs in containers may make none of their own"),
    )
}

fn cgroups(facts: &Facts) -> Vec<Finding> {
    if !facts.cgroups.unified {
        let fix = "boot with systemd.unified_cgroup_hierarchy=1";
        return vec![Finding::problem("control groups", "/sys/fs/cgroup is not cgroup v2", fix)];
    }
    let has = |name: &str| facts.cgroups.controllers.iter().any(|own| own == name);
    let missing: Vec<_> = CONTROLLERS.iter().filter(|(name, _)| !has(name)).collect();
    if missing.is_empty() {
        let found = format!("v2, with {}", facts.cgroups.controllers.join(" "));
        return vec![Finding::ok("control groups", found), first_move(facts)];
    }
    let of = |(name, keys): &&(&str, &str)| {
        let fix = format!("boot without cgroup_disable={name} and without cgroup v1 hierarchies");
        Finding::warning("control groups", format!("no controller {name}: limits of {keys} do not hold"), fix)
    };
    missing.iter().map(of).chain([first_move(facts)]).collect()
}

/// Whoever moves a process between control groups after a pause waits for an RCU grace period (percpu_down_write() of the
/// kernel), unless they are mounted for such moves, which makes every fork and every exit a little slower.
fn first_move(facts: &Facts) -> Finding {
    let found = match facts.cgroups.favors_changes {
        true => "they change at once (favordynmods); fork and exit pay for it",
        false => {
            "a first start after a pause waits about 10 ms for the kernel; mount -o remount,favordynmods /sys/fs/cgroup \
             (Linux 6.0) would spare it, and make fork and exit slower"
        }
    };
    Finding::ok("control groups", found)
}

fn systemd(facts: &Facts) -> Vec<Finding> {
    let mut list = Vec::new();
    match &facts.systemd.version {
        Some(Ok(version)) if *version >= OLDEST_SYSTEMD => list.push(Finding::ok("systemd", version.to_string())),
        Some(Ok(version)) => {
            list.push(Finding::problem(
                "systemd",
                version.to_string(),
                format!("install systemd {OLDEST_SYSTEMD} or later"),
            ));
        }
        Some(Err(why)) => {
            list.push(Finding::problem("systemd", why.clone(), "boot the host with systemd, and start dbus.socket"))
        }
        None => {}
    }
    for (program, feature, package) in PROGRAMS {
        if facts.systemd.missing_programs.contains(&program) {
            let found = format!("{program} is not installed: no {feature}");
            list.push(Finding::warning(
                "programs",
                found,
                format!("apt install {package}, or your distribution's package of it"),
            ));
        }
    }
    list
}

/// What one limit counts for all containers together.
struct Shared {
    sysctls: &'static [&'static str],
    /// Of each container, at least.
    each: u64,
    why: &'static str,
    proposed: u64,
}

const SHARED: [Shared; 4] = [
    Shared {
        sysctls: &["net/ipv4/neigh/default/gc_thresh3", "net/ipv6/neigh/default/gc_thresh3"],
        each: 3,
        why: "the table of neighbours is one for all network namespaces; when it is full, nobody new is reached",
        proposed: 16384,
    },
    Shared {
        sysctls: &["fs/inotify/max_user_instances"],
        each: 4,
        why: "inotify instances of all containers count for root",
        proposed: 8192,
    },
    Shared {
        sysctls: &["kernel/keys/root_maxkeys"],
        each: 4,
        why: "keyrings of containers whose root is the host's count for root",
        proposed: 1_000_000,
    },
    Shared {
        sysctls: &["kernel/pid_max"],
        each: 32,
        why: "processes of all containers have numbers on the host",
        proposed: 4_194_304,
    },
];

/// Limits that many containers meet together.
pub fn many(facts: &Facts) -> Vec<Finding> {
    let count = facts.definitions.count;
    let mut list = Vec::new();
    for shared in SHARED {
        for path in shared.sysctls {
            let Some(limit) = facts.sysctls.get(*path) else { continue };
            let name = path.replace('/', ".");
            let room = limit / shared.each;
            list.push(match room >= count {
                true => Finding::ok("many containers", format!("{name} = {limit}, room for about {room}")),
                false => Finding::warning(
                    "many containers",
                    format!("{name} = {limit}, room for about {room} of {count}: {}", shared.why),
                    format!("sysctl {name}={}, in /etc/sysctl.d to keep it", shared.proposed),
                ),
            });
        }
    }
    list
}
