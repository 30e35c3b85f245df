//! The plan on disk: /run/soute/state/NAME/plan.json, and the definition that it was made of.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::{Plan, VERSION};
use crate::definition::Definition;
use crate::error::{Context, Error, Result};
use crate::layout::make_private;

/// The snapshot's name in the state directory.
pub const PLAN: &str = "plan.json";
/// The definition's name there.
const DEFINITION: &str = "definition.json";
/// The payload's process id, written at hand-over; what the log forwarder files its lines under.
pub const MAIN_PID: &str = "main-pid";
/// Exists while a container is being stopped.
pub const STOPPING: &str = "stopping";

/// What every version has, and enough to tell that it is another one.
#[derive(serde::Deserialize)]
struct Version {
    version: u32,
}

impl Plan {
    /// Reads the snapshot in a state directory.
    pub fn read(state: &Path) -> Result<Self> {
        let path = state.join(PLAN);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        match serde_json::from_str::<Self>(&text) {
            Ok(plan) if plan.version == VERSION => Ok(plan),
            result => match serde_json::from_str(&text) {
                Ok(Version { version }) if version != VERSION => Err(Error::failed(format!(
                    "{} is of version {version}, this soute reads {VERSION}: start the container again",
                    path.display()
                ))),
                _ => result.map_err(Error::failed).with_context(|| format!("cannot read {}", path.display())),
            },
        }
    }

    /// Replaces the snapshot, whole or not at all. It may hold environment values: only root reads it.
    pub fn write(&self, state: &Path) -> Result<()> {
        replace(state, PLAN, self)
    }
}

/// Notes what the container is declared to be, for whoever audits it: its files may be others by then.
pub fn declare(state: &Path, definition: &Definition) -> Result<()> {
    replace(state, DEFINITION, definition)
}

/// What the container was declared to be when it was started; none if an older soute has started it.
pub fn declared(state: &Path) -> Result<Option<Definition>> {
    let path = state.join(DEFINITION);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let parsed = serde_json::from_str(&text).map_err(Error::failed);
    parsed.map(Some).with_context(|| format!("cannot read {}", path.display()))
}

fn replace(state: &Path, name: &str, content: &impl Serialize) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let write = || -> std::io::Result<()> {
        state.parent().map_or(Ok(()), make_private)?;
        make_private(state)?;
        let next = state.join(format!(".{name}.new"));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(&serde_json::to_vec(content)?)?;
        fs::rename(&next, state.join(name))
    };
    write().with_context(|| format!("cannot write {}", state.join(name).display()))
}
