//! The plan on disk: /run/soute/state/NAME/plan.json.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::{Plan, VERSION};
use crate::error::{Context, Error, Result};
use crate::layout::make_private;

/// The snapshot's name in the state directory.
pub const PLAN: &str = "plan.json";
/// The payload's process id, written at hand-over; what the log forwarder files its lines under.
pub const MAIN_PID: &str = "main-pid";
/// Exists while a container is being stopped.
pub const STOPPING: &str = "stopping";

impl Plan {
    /// Reads the snapshot in a state directory.
    pub fn read(state: &Path) -> Result<Self> {
        let path = state.join(PLAN);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let plan: Self = serde_json::from_str(&text)
            .map_err(Error::failed)
            .with_context(|| format!("cannot read {}", path.display()))?;
        match plan.version {
            VERSION => Ok(plan),
            other => Err(Error::failed(format!(
                "{} is of version {other}, this soute reads {VERSION}: start the container again",
                path.display()
            ))),
        }
    }

    /// Replaces the snapshot, whole or not at all. It may hold environment values: only root reads it.
    pub fn write(&self, state: &Path) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let write = || -> std::io::Result<()> {
            state.parent().map_or(Ok(()), make_private)?;
            make_private(state)?;
            let next = state.join(".plan.json.new");
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            fs::rename(&next, state.join(PLAN))
        };
        write().with_context(|| format!("cannot write {}", state.join(PLAN).display()))
    }
}
