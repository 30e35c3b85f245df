//! How a container ended last, beside its disk.

use std::ffi::CStr;

use serde::{Deserialize, Serialize};

use super::{Disk, open};
use crate::error::{Context, Result};
use crate::image::record;
use crate::layout::Layout;

const LAST_EXIT: &CStr = c"last-exit.toml";

/// last-exit.toml, as systemd told it to ExecStopPost=.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LastExit {
    /// $SERVICE_RESULT: "success", "exit-code", "signal", "oom-kill", …; [`LastExit::STOPPED`] for a stop that went well.
    pub result: String,
    /// $EXIT_CODE: "exited", "killed" or "dumped".
    pub code: String,
    /// $EXIT_STATUS: a number, or a signal's name without SIG.
    pub status: String,
    /// When, RFC 3339.
    pub time: String,
}

impl LastExit {
    /// The result of an end that was asked for, however the process then ended.
    pub const STOPPED: &str = "stopped";
}

impl Disk {
    /// How the container ended last.
    pub fn last_exit(&self) -> Result<Option<LastExit>> {
        record::read(self.dir(), LAST_EXIT)
    }
}

/// Notes how a container ended; without a record there is nothing to note it beside.
pub fn record_exit(layout: &Layout, name: &str, exit: &LastExit) -> Result<()> {
    match open(layout, name)? {
        Some(disk) => record::write(disk.dir(), LAST_EXIT, exit, false).with_context(|| format!("disk of {name}")),
        None => Ok(()),
    }
}

/// How a container ended last.
pub fn read_exit(layout: &Layout, name: &str) -> Result<Option<LastExit>> {
    open(layout, name)?.map_or(Ok(None), |disk| disk.last_exit())
}
