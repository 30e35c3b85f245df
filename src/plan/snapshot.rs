//! The plan on disk: /run/soute/state/NAME/plan.json, and the definition that it was made of.

use std::path::Path;

use serde::Serialize;

use super::{Plan, VERSION};
use crate::definition::Definition;
use crate::error::{Context, Error, Result};
use crate::file;
use crate::layout::make_private;

/// The snapshot's name in the state directory.
pub const PLAN: &str = "plan.json";
/// The definition's name there.
const DEFINITION: &str = "definition.json";
/// Which network cards of the host the container has, and their names there.
pub const LENT: &str = "lent";
/// The digest of the image that a container runs on, where that is not the plan's.
const IMAGE: &str = "image";
/// The payload's process id, written at hand-over; what the log forwarder files its lines under.
pub const MAIN_PID: &str = "main-pid";
/// Exists while a container is being stopped.
pub const STOPPING: &str = "stopping";
/// A definition has 1 MiB, and its environment files as much each.
const LARGEST: u64 = 64 << 20;

/// What every version has, and enough to tell that it is another one.
#[derive(serde::Deserialize)]
struct Version {
    version: u32,
}

impl Plan {
    /// Reads the snapshot in a state directory.
    pub fn read(state: &Path) -> Result<Self> {
        let path = state.join(PLAN);
        let action = || format!("cannot read {}", path.display());
        let text = file::read(&path, LARGEST).transpose();
        let text = text.unwrap_or_else(|| Err(std::io::ErrorKind::NotFound.into())).with_context(action)?;
        match serde_json::from_str::<Self>(&text) {
            Ok(plan) if plan.version == VERSION => Ok(plan),
            result => match serde_json::from_str(&text) {
                Ok(Version { version }) if version != VERSION => Err(Error::failed(format!(
                    "{} is of version {version}, this soute reads {VERSION}: start the container again",
                    path.display()
                ))),
                _ => result.map_err(Error::failed).with_context(action),
            },
        }
    }

    /// Replaces the snapshot, whole or not at all. It may hold environment values: only root reads it.
    pub fn write(&self, state: &Path) -> Result<()> {
        replace(state, PLAN, self)
    }
}

/// Which snapshot it is: another one has another stamp, as each is a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    changed: (i64, i64),
}

/// That of the snapshot in a state directory.
pub fn stamp(state: &Path) -> Result<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let path = state.join(PLAN);
    let stat = path.symlink_metadata().with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Stamp { inode: stat.ino(), changed: (stat.ctime(), stat.ctime_nsec()) })
}

/// Notes what the container is declared to be, for whoever audits it: its files may be others by then.
pub fn declare(state: &Path, definition: &Definition) -> Result<()> {
    replace(state, DEFINITION, definition)
}

/// What the container was declared to be when it was started; none if an older soute has started it.
pub fn declared(state: &Path) -> Result<Option<Definition>> {
    let path = state.join(DEFINITION);
    let action = || format!("cannot read {}", path.display());
    let text = file::read(&path, LARGEST).with_context(action)?;
    text.map(|text| serde_json::from_str(&text).map_err(Error::failed).with_context(action)).transpose()
}

/// Notes which image a container is started on that keeps no copy: a restart finds what has the name by then.
pub fn note_image(state: &Path, plan: &Plan, digest: &str) -> Result<()> {
    let path = state.join(IMAGE);
    let noted = match digest == plan.image.digest {
        false => file::write(&path, digest.as_bytes(), 0o600),
        true => file::remove(&path),
    };
    match noted {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("cannot note its image"),
        _ => Ok(()),
    }
}

/// The digest of the image that it was started on last.
pub fn noted_image(state: &Path, plan: &Plan) -> Result<String> {
    let noted = file::read(&state.join(IMAGE), LARGEST).context("cannot read which image it runs on")?;
    Ok(noted.unwrap_or_else(|| plan.image.digest.clone()))
}

fn replace(state: &Path, name: &str, content: &impl Serialize) -> Result<()> {
    let path = state.join(name);
    let write = || -> std::io::Result<()> {
        state.parent().map_or(Ok(()), make_private)?;
        make_private(state)?;
        file::write(&path, &serde_json::to_vec(content)?, 0o600)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
