//! Whether a container does what it is for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::types::{HttpUrl, Port, Span, Text};

/// A check that systemd's own timer runs, in the container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Health {
    /// A command that ends with 0 where all is well; no shell, run as exec does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<Text>>,
    /// Something that answers GET with a status from 200 to 399: http://:8080/health is on the container's loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpUrl>,
    /// A port of the container's loopback that takes connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Port>,
    /// From the end of one check to the next.
    pub interval: Span,
    /// A check that takes longer has failed.
    pub timeout: Span,
    /// So many failures one after the other, and the container is unhealthy.
    pub retries: u32,
    /// After a start failures do not count for so long.
    pub start_period: Span,
    /// What happens to a container that is unhealthy.
    pub on_failure: OnFailure,
}

/// What happens to a container that is unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is started again.
    #[default]
    Restart,
    /// It is stopped.
    Stop,
    /// It goes on, and is shown as unhealthy.
    None,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            command: None,
            http: None,
            tcp: None,
            interval: Span::seconds(30),
            timeout: Span::seconds(5),
            retries: 3,
            start_period: Span::seconds(0),
            on_failure: OnFailure::default(),
        }
    }
}
