//! Device nodes of the host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::types::{DeviceAccess, DevicePath, GuestPath};

/// A device of the host that the payload may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Device {
    /// The node on the host, below /dev.
    pub source: DevicePath,
    /// Where it appears in the container; as the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<GuestPath>,
    /// What may be done with it: "r" read, "w" write, "m" make nodes of it.
    #[serde(default)]
    pub access: DeviceAccess,
    /// What to do if there is no such node when the container starts.
    #[serde(default)]
    pub missing: MissingDevice,
}

/// What to do if the node does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissingDevice {
    /// The start fails.
    #[default]
    Fail,
    /// The container does without.
    Skip,
}

impl Device {
    /// `target`; where the node is on the host.
    pub fn target(&self) -> &str {
        self.target.as_ref().map_or(self.source.as_str(), GuestPath::as_str)
    }
}
