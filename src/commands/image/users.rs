//! Who needs an image: definitions that name it, and containers that were started from it and keep no copy.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::merge::{Parsed, read_defaults};
use crate::definition::search;
use crate::error::{Context, Result};
use crate::image::store::{ImageInfo, Kind};
use crate::layout::Layout;
use crate::plan::{DiskMode, MAIN_PID, Plan};

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

/// Running containers whose root is the image itself.
pub fn on_image(layout: &Layout, image: &str) -> Result<Vec<String>> {
    let runs = |plan: &Plan| layout.state(&plan.name).join(MAIN_PID).exists();
    let plans = snapshots(layout)?.into_iter().filter(|plan| plan.image.name == image);
    Ok(plans.filter(|plan| plan.disk.mode == DiskMode::ReadOnly && runs(plan)).map(|plan| plan.name).collect())
}

fn snapshots(layout: &Layout) -> Result<Vec<Plan>> {
    let states = layout.states();
    let entries = match std::fs::read_dir(&states) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read {}", states.display()))?,
    };
    Ok(entries.flatten().filter_map(|entry| Plan::read(&entry.path()).ok()).collect())
}

/// "tree", or the file system of a raw image.
pub fn kind(info: &ImageInfo) -> &'static str {
    match (info.kind, info.fs) {
        (Kind::Tree, _) => "tree",
        (Kind::Raw, Some(fs)) => fs.name(),
        (Kind::Raw, None) => "raw",
    }
}
