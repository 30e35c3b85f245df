//! What is left when a container has ended. The kernel takes namespaces, mounts and links with the last process; this takes
//! the rest. It runs after every end and before every start, does nothing the second time, and nothing depends on it.

use std::time::{Duration, SystemTime};

use super::share;
use crate::error::{Context, Error, Result};
use crate::file;
use crate::image::disk::{self, LastExit, switch};
use crate::image::lock::Lock;
use crate::instances;
use crate::layout::Layout;
use crate::logs;
use crate::names;
use crate::network::{Lent, Netlink};
use crate::plan::{self, DiskMode, LENT, Link, MAIN_PID, Plan, STOPPING};

/// Of a file that says which cards a container had.
const LARGEST: u64 = 1 << 20;

/// ExecStopPost=: also notes how it ended, which systemd forgets with a transient unit that ended well.
pub fn after_end(layout: &Layout, name: &str) -> Result<()> {
    // systemd may see the end of a payload before its last words.
    let drained = logs::drain(name, layout);
    let plan = Plan::read(&layout.state(name))?;
    // The names go first: who has one is among those that run.
    let mut failures =
        vec![drained, names::leave(layout, name), instances::remove(layout, name), record_exit(layout, name)];
    failures.push(tell_the_way_back(layout, name));
    let _ = file::remove(&layout.state(name).join(MAIN_PID));
    if plan.ephemeral {
        // Its links go with its network namespace, a few ms from now. Who deletes one waits for an RCU grace period, up to
        // 20 ms, while `soute run` waits for us; and no other container has a link of that name.
        failures.push(forget(layout, name));
        return all(failures);
    }
    failures.extend([detach(&plan), take_back(layout, name)]);
    if plan.disk.mode == DiskMode::Fresh {
        failures.push(disk::destroy_copy(layout, name));
    }
    all(failures)
}

/// Everything of a one-off container.
pub fn forget(layout: &Layout, name: &str) -> Result<()> {
    let gone = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    };
    all(vec![
        take_back(layout, name),
        disk::remove(layout, name).map(drop),
        gone(std::fs::remove_dir_all(layout.state(name))),
        plan::hide(layout, name),
        Lock::forget(layout, name),
        gone(std::fs::remove_file(layout.runtime_definitions().join(format!("{name}.toml")))),
    ])
}

/// Before a start: what a killed clean-up has not done. What stays in the way shows itself at the next step.
pub fn leftovers(layout: &Layout, plan: &Plan) {
    let (names, list) = (names::leave(layout, &plan.name), instances::remove(layout, &plan.name));
    let shared = share::end_those_left(layout, &plan.name);
    if let Err(error) = all(vec![shared, detach(plan), take_back(layout, &plan.name), names, list]) {
        eprintln!("soute-runner: {error}, ignoring");
    }
}

fn detach(plan: &Plan) -> Result<()> {
    if plan.links.is_empty() {
        return Ok(());
    }
    let mut netlink = Netlink::open()?;
    all(plan.links.iter().filter_map(Link::port).map(|port| netlink.detach(&port.host_name)).collect())
}

/// The network cards that the container had.
fn take_back(layout: &Layout, name: &str) -> Result<()> {
    let path = layout.state(name).join(LENT);
    let Some(text) = file::read(&path, LARGEST).context("cannot read which network cards it had")? else {
        return Ok(());
    };
    let lent: Vec<Lent> = serde_json::from_str(&text).map_err(Error::failed)?;
    let mut netlink = Netlink::open()?;
    all(lent.iter().map(|card| netlink.take_back(card)).collect())?;
    file::remove(&path).context("cannot forget which network cards it had")
}

/// $SERVICE_RESULT and its companions, see systemd.exec(5).
fn record_exit(layout: &Layout, name: &str) -> Result<()> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let mut result = variable("SERVICE_RESULT");
    if result.is_empty() {
        return Ok(());
    }
    let stopped = file::remove(&layout.state(name).join(STOPPING)).is_ok();
    if stopped && result == "success" {
        result = LastExit::STOPPED.to_owned();
    }
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    disk::record_exit(
        layout,
        name,
        &LastExit { result, code: variable("EXIT_CODE"), status: variable("EXIT_STATUS"), time },
    )
}

/// An update that was watched for a while has seen nothing of a container that dies later.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// Among the lines of a container that has not ended well soon after its disk was exchanged.
fn tell_the_way_back(layout: &Layout, name: &str) -> Result<()> {
    let badly = std::env::var("SERVICE_RESULT").is_ok_and(|result| !matches!(result.as_str(), "" | "success"));
    // While an update goes on, it goes back by itself.
    if !badly || switch::is_under_way(layout, name) {
        return Ok(());
    }
    let Some(kept) = switch::kept(layout, name)? else { return Ok(()) };
    let since = kept.since.as_deref().and_then(|since| humantime::parse_rfc3339(since).ok());
    let Some(age) = since.and_then(|since| since.elapsed().ok()).filter(|age| *age < FRESH) else { return Ok(()) };
    let (age, image) = (humantime::format_duration(Duration::from_secs(age.as_secs())), kept.image());
    let line =
        format!("<4>its disk is {age} old: `soute rollback {name}` brings back the one before it, a copy of {image}");
    logs::say(name, layout, &line)
}

/// Teardown goes on past errors and reports them all.
fn all(results: Vec<Result<()>>) -> Result<()> {
    let texts: Vec<_> = results.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    if texts.is_empty() { Ok(()) } else { Err(Error::failed(texts.join("; "))) }
}
