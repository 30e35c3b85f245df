//! From a port of the host into a container, without the packet filter: PID 1 listens, and as long as somebody is connected
//! a forwarder of ours moves the bytes.
//!
//! `soute-publish@web:8080.service` runs [`main`] when somebody comes. It enters the container's network namespace, gives
//! up every privilege, and ends with the container, whose namespace it would else keep alive, or when it has had nothing to
//! do for a while. systemd-socket-proxyd was measured first (252): it closes both directions when a client ends one, so that
//! who says all and then listens gets no answer; and it neither notices that the container has ended, nor speaks UDP, nor
//! says who the client is.

pub mod activate;
mod inside;
mod pipe;
mod poll;
mod proxy_line;
mod refuse;
mod tcp;
mod udp;

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::thread::{CapabilitySets, clear_ambient_capability_set, set_capabilities};

use crate::definition::model::Protocol;
use crate::error::{Context, Error, Result};
use crate::layout::Layout;
use crate::plan::{self, Publish};
use crate::sandbox::raw;
use inside::Payload;

/// How long nobody must be connected before the forwarder ends, unless that is the end of the container too.
const IDLE: Duration = Duration::from_secs(30);
/// How long a container that is down may take to come back before who waits for it is sent away.
const PATIENCE: Duration = Duration::from_secs(10);

/// The status that a forwarder exits with to have an idle container stopped; a success for its unit.
const IDLE_END: i32 = 100;

/// Why a forwarder ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With the container.
    Container,
    /// Nobody has been there for a while.
    Idle,
}

/// `soute-runner publish INSTANCE`, with the sockets from systemd.
pub fn main(instance: &str, layout: &Layout) -> Result<()> {
    let sockets = raw::sockets_from_systemd().context("cannot take over the sockets")?;
    serve(instance, layout, &sockets).inspect_err(|_| {
        // PID 1 would start us again at once for who is still waiting, and soon give up the port.
        refuse::all(&sockets);
    })
}

fn serve(instance: &str, layout: &Layout, sockets: &[OwnedFd]) -> Result<()> {
    let (port, payload) = enter(instance, layout)?;
    match (relay(&port, &payload, sockets)?, port.idle_stop) {
        (End::Idle, Some(_)) => std::process::exit(IDLE_END),
        _ => Ok(()),
    }
}

fn relay(port: &Publish, payload: &Payload, sockets: &[OwnedFd]) -> Result<End> {
    match port.protocol {
        Protocol::Tcp => tcp::Relay::new(port, payload, sockets)?.run(),
        Protocol::Udp => udp::Relay::new(port, payload, sockets)?.run(),
    }
}

/// Waits for the container, goes into its network, and keeps no privilege.
fn enter(instance: &str, layout: &Layout) -> Result<(Publish, Payload)> {
    let name = container(instance)?;
    let published = plan::published(&layout.state(name))?;
    let port = published.into_iter().find(|port| port.instance == instance);
    let port = port.ok_or_else(|| Error::failed(format!("{name} does not publish this port any more")))?;
    let payload = Payload::wait(layout, name, PATIENCE)?;
    payload.enter_network()?;
    clear_ambient_capability_set().context("cannot give up privileges")?;
    let none = rustix::thread::CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .context("cannot give up privileges")?;
    Ok((port, payload))
}

/// Whose port it is.
fn container(instance: &str) -> Result<&str> {
    let (name, _) = instance.split_once(':').ok_or_else(|| Error::failed("this is no port of a container"))?;
    Ok(name)
}
