//! Ports of the host that lead into the container.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::types::{Listen, Port, Span};

/// A port of the host that leads into the container, through a socket: no rule of the packet filter is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Publish {
    /// Where: "8080" on loopback alone, "0.0.0.0:8080" on every IPv4 address, `[::]:8080` on every address.
    pub listen: Listen,
    /// The port inside.
    pub to: Port,
    /// "tcp" or "udp".
    #[serde(default)]
    pub protocol: Protocol,
    /// Say to the payload who the client is, by a PROXY line before the data (TCP).
    #[serde(default)]
    pub proxy_protocol: bool,
    /// Listen while the container is stopped, and start it for who comes.
    #[serde(default)]
    pub activate: bool,
    /// Stop the container when nobody has been connected for so long. Needs `activate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_stop: Option<Span>,
}

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Connections.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

impl Protocol {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}
