//! A limit below what a container uses now: said before the kernel acts on it.

use std::fs;
use std::path::Path;

use super::current::Current;
use crate::error::{Error, Exit, Result};
use crate::output::amount;
use crate::plan::{Plan, Value};
use crate::sandbox::exec::Target;
use crate::settings::Host;

/// What a control group has, as far as its controllers are there.
struct Use {
    /// Bytes that the kernel cannot simply drop.
    held: Option<u64>,
    swap: Option<u64>,
    tasks: Option<u64>,
}

impl Use {
    fn of(cgroup: &Path) -> Self {
        let number = |file: &str| fs::read_to_string(cgroup.join(file)).ok()?.trim().parse::<u64>().ok();
        let stat = fs::read_to_string(cgroup.join("memory.stat")).unwrap_or_default();
        let line = |key: &str| stat.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
        // Clean pages of files and what the kernel caches go without harm.
        let dropped = ["active_file ", "inactive_file ", "slab_reclaimable "].iter().filter_map(|key| line(key));
        let dropped: u64 = dropped.sum();
        Self {
            held: number("memory.current").map(|all| all.saturating_sub(dropped)),
            swap: number("memory.swap.current"),
            tasks: number("pids.current"),
        }
    }
}

/// Refuses a limit of memory that would have the payload killed, and tells of one that keeps it from growing.
pub fn refuse(host: &Host, current: &Current, next: &Plan) -> Result<()> {
    let lowered = |name: &str| {
        let of = |plan: &Plan| match plan.unit.get(name) {
            Some(Value::U64(limit)) => *limit,
            _ => u64::MAX,
        };
        Some(of(next)).filter(|limit| *limit < of(&current.runs))
    };
    if ["MemoryMax", "MemorySwapMax", "TasksMax"].iter().all(|name| lowered(name).is_none()) {
        return Ok(());
    }
    match Target::anyhow(&host.layout, &current.name) {
        Ok(target) => judge(&current.name, target.cgroup(), lowered),
        Err(_) => Ok(()),
    }
}

/// The same for any control group, with what each limit is to be where it is another one.
pub fn judge(who: &str, cgroup: &Path, limit: impl Fn(&str) -> Option<u64>) -> Result<()> {
    let Use { held, swap, tasks } = Use::of(cgroup);
    let below = |key: &str, limit: u64, used: u64| {
        let (limit, used) = (amount::bytes(limit), amount::bytes(used));
        let text = format!(
            "{key} = {limit} is less than the {used} that it uses now: --force sets it, and the kernel may kill for it"
        );
        Err(Error::new(Exit::Failed, text))
    };
    for (property, key, used) in [("MemoryMax", "limits.memory", held), ("MemorySwapMax", "limits.swap", swap)] {
        if let (Some(limit), Some(used)) = (limit(property), used)
            && limit < used
        {
            return below(key, limit, used);
        }
    }
    if let (Some(limit), Some(used)) = (limit("TasksMax"), tasks)
        && limit < used
    {
        eprintln!("soute: {who} has {used} tasks, more than limits.tasks = {limit}: it cannot start another");
    }
    Ok(())
}
