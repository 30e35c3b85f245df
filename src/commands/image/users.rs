//! Who needs an image: definitions that name it, and containers that were started from it and keep no copy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::definition::merge::{Parsed, read_defaults};
use crate::definition::search;
use crate::error::{Context, Error, Exit, Result};
use crate::image::disk;
use crate::image::disk::switch;
use crate::image::store::{ImageInfo, Kind, Store};
use crate::layout::Layout;
use crate::plan::{self, DiskMode, MAIN_PID, PLAN, Plan};

/// Containers by the image that they need. What cannot be read needs none that we could name.
pub fn all(layout: &Layout) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |image: &str, name: &str| {
        users.entry(image.to_owned()).or_default().insert(name.to_owned());
    };
    let defaults = read_defaults(layout).ok().flatten();
    for found in search::all(layout)?.found {
        let parsed = Parsed::read_over(defaults.as_ref(), layout, &found).ok();
        if let Some(image) = parsed.and_then(|parsed| parsed.image()) {
            add(&image, &found.name);
        }
    }
    for plan in snapshots(layout)?.iter().filter(|plan| plan.disk.mode != DiskMode::Keep) {
        add(&plan.image.name, &plan.name);
    }
    Ok(users)
}

/// The images that anything here names: definitions, disks, and whatever has been started. An error where that cannot be
/// known: what is not named is about to go.
pub fn named(layout: &Layout) -> Result<BTreeSet<String>> {
    let mut named = BTreeSet::new();
    let defaults = read_defaults(layout).map_err(|_| unknown("defaults.toml"))?;
    for found in search::all(layout)?.found {
        let parsed = Parsed::read_over(defaults.as_ref(), layout, &found).map_err(|_| unknown(&found.name))?;
        named.insert(parsed.image().ok_or_else(|| unknown(&found.name))?.to_string());
    }
    for name in disk::names(layout)? {
        named.extend(disk::open(layout, &name)?.map(|disk| disk.record.image));
        named.extend(switch::kept(layout, &name)?.map(|kept| kept.disk.record.image));
    }
    for state in states(layout)? {
        match Plan::read(&state) {
            Ok(plan) => named.insert(plan.image.name),
            Err(_) if !state.join(PLAN).exists() => continue,
            Err(error) => return Err(error),
        };
    }
    Ok(named)
}

fn unknown(of: &str) -> Error {
    Error::new(Exit::Invalid, format!("cannot tell which image {of} needs: soute check"))
}

/// Running containers whose root is the image itself, by its name, or by another one that it had when they were started.
pub fn on_image(layout: &Layout, image: &str) -> Result<Vec<String>> {
    let store = Store::new(layout)?;
    let digest = |name: &str| store.open(name).ok().map(|image| image.info.digest);
    let own = digest(image);
    let renamed = |plan: &Plan, on: &String| own.as_ref() == Some(on) && digest(&plan.image.name).as_ref() != Some(on);
    let is_on = |(plan, on): &(Plan, String)| plan.image.name == image || renamed(plan, on);
    Ok(on_images(layout)?.into_iter().filter(is_on).map(|(plan, _)| plan.name).collect())
}

/// Removes the images that were replaced under running containers, once these have ended.
pub fn sweep_replaced(layout: &Layout) -> Result<()> {
    let running: Vec<_> = on_images(layout)?.into_iter().map(|(_, digest)| digest).collect();
    Store::new(layout)?.sweep_replaced(layout, &running)
}

/// What runs on an image itself, with its digest.
fn on_images(layout: &Layout) -> Result<Vec<(Plan, String)>> {
    let runs = |plan: &Plan| layout.state(&plan.name).join(MAIN_PID).exists();
    let on_image = snapshots(layout)?.into_iter().filter(|plan| plan.disk.mode == DiskMode::ReadOnly && runs(plan));
    let with_digest = |plan: Plan| {
        let digest = plan::noted_image(&layout.state(&plan.name), &plan)?;
        Ok((plan, digest))
    };
    on_image.map(with_digest).collect()
}

/// What was started and not removed.
pub fn snapshots(layout: &Layout) -> Result<Vec<Plan>> {
    Ok(states(layout)?.iter().filter_map(|state| Plan::read(state).ok()).collect())
}

fn states(layout: &Layout) -> Result<Vec<PathBuf>> {
    let states = layout.states();
    let entries = match std::fs::read_dir(&states) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read {}", states.display()))?,
    };
    entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>().context("cannot read the snapshots")
}

/// Refuses what would take an image's name away from those that use it, unless they are to lose it.
pub fn refuse(users: Option<&BTreeSet<String>>, force: bool, action: &str) -> Result<()> {
    let Some(names) = users.filter(|_| !force) else { return Ok(()) };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Err(Error::new(Exit::Busy, format!("it is used by {} (--force {action} it)", names.join(", "))))
}

/// "tree", or the file system of a raw image.
pub fn kind(info: &ImageInfo) -> &'static str {
    match (info.kind, info.fs) {
        (Kind::Tree, _) => "tree",
        (Kind::Raw, Some(fs)) => fs.name(),
        (Kind::Raw, None) => "raw",
    }
}
