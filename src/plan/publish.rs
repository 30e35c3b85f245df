//! Ports of the host that lead into a container: what their sockets and their forwarders have to know.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Property, Unit, Value};
use crate::definition::model::Protocol;
use crate::error::{Context, Error, Result};
use crate::file;
use crate::layout::make_private;

/// The name of the list in the state directory. The forwarder reads it, and nothing else of the plan.
pub const PUBLISH: &str = "publish.json";
/// Thousands of ports.
const LARGEST: u64 = 1 << 20;

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// "web:8080": what its socket and its forwarder are instances of.
    pub instance: String,
    /// As the user has written it.
    pub listen: String,
    /// Where the socket is bound.
    pub addresses: Vec<SocketAddr>,
    /// The port inside.
    pub to: u16,
    /// Of both.
    pub protocol: Protocol,
    /// A PROXY line goes before the data.
    pub proxy_protocol: bool,
    /// The socket stays when the container stops, and who comes starts it.
    #[serde(default)]
    pub activate: bool,
    /// The container is to be stopped when nobody has been connected to any of its ports for so long.
    #[serde(default)]
    pub idle_stop: Option<Duration>,
}

impl Publish {
    /// The socket unit that PID 1 listens for.
    pub fn socket(&self) -> String {
        format!("soute-publish@{}.socket", self.instance)
    }

    /// The service that moves the bytes.
    pub fn forwarder(&self) -> String {
        format!("soute-publish@{}.service", self.instance)
    }

    /// "8080:80", `[::]:53:53/udp`: as users of other managers know it.
    pub fn shown(&self) -> String {
        let protocol = if self.protocol == Protocol::Udp { "/udp" } else { "" };
        format!("{}:{}{protocol}", self.listen, self.to)
    }

    /// The transient socket unit. It does not name the container's unit, which a reference would keep loaded; it is there
    /// because the container's unit requires it, and goes with it. One that starts the container is nobody's.
    pub fn unit(&self, container: &str) -> Unit {
        let text = |name: &str, value: &str| Property::new(name, Value::Text(value.to_owned()));
        let kind = match self.protocol {
            Protocol::Tcp => "Stream",
            Protocol::Udp => "Datagram",
        };
        let listen = self.addresses.iter().map(|address| (kind.to_owned(), address.to_string())).collect();
        let mut properties = vec![
            text("Description", &format!("Port {} of container {container}", self.shown())),
            Property::new("Documentation", Value::Texts(vec!["man:soute(8)".to_owned()])),
            text("CollectMode", "inactive-or-failed"),
            Property::new("StopWhenUnneeded", Value::Bool(!self.activate)),
            Property::new("Listen", Value::Listen(listen)),
            // `[::]` is every address of both families, whatever net.ipv6.bindv6only says.
            text("BindIPv6Only", "both"),
        ];
        if self.protocol == Protocol::Udp && self.addresses.iter().any(|address| address.ip().is_unspecified()) {
            // An answer has to come from the address that was asked.
            properties.push(Property::new("PassPacketInfo", Value::Bool(true)));
        }
        Unit { name: self.socket(), properties }
    }
}

/// What the socket of a port is an instance of. An IPv6 address has "_" for ":", so that the last colon is the port's.
pub fn instance(container: &str, address: Option<IpAddr>, port: u16, protocol: Protocol) -> String {
    let address = address.map(|address| address.to_string().replace(':', "_") + ":").unwrap_or_default();
    let protocol = if protocol == Protocol::Udp { "-udp" } else { "" };
    format!("{container}:{address}{port}{protocol}")
}

/// Notes them for the forwarders; none, and there is no file.
pub fn write_published(state: &Path, published: &[Publish]) -> Result<()> {
    let path = state.join(PUBLISH);
    let write = || -> std::io::Result<()> {
        match published {
            [] => match file::remove(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            _ => {
                state.parent().map_or(Ok(()), make_private)?;
                make_private(state)?;
                file::write(&path, &serde_json::to_vec(published)?, 0o600)
            }
        }
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The ports that a container was last started with.
pub fn published(state: &Path) -> Result<Vec<Publish>> {
    let path = state.join(PUBLISH);
    let action = || format!("cannot read {}", path.display());
    // Not by file::read: the forwarder is not the user whom the directory belongs to.
    match file::read_of_host(&path, LARGEST) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        text => serde_json::from_str(&text.with_context(action)?).map_err(Error::failed).with_context(action),
    }
}
