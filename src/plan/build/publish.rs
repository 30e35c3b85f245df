//! Published ports.

use std::net::{IpAddr, SocketAddr};

use super::super::{Publish, publish};
use crate::definition::Definition;

/// One for each `[[publish]]`, in order; with the loopback addresses that the host has.
pub fn publish(definition: &Definition, container: &str, ipv6: bool) -> Vec<Publish> {
    // One idle port does not stop a container that another is used of.
    let idle_stop = definition.publish.iter().filter_map(|published| published.idle_stop).max();
    let one = |published: &crate::definition::model::Publish| {
        let (listen, port) = (published.listen, published.listen.port.0);
        // Loopback is both families where the host has both; an address that is written is wanted.
        let usable = |address: &IpAddr| listen.address.is_some() || ipv6 || address.is_ipv4();
        let addresses = listen.addresses().into_iter().filter(usable);
        Publish {
            instance: publish::instance(container, listen.address, port, published.protocol),
            listen: listen.to_string(),
            addresses: addresses.map(|address| SocketAddr::new(address, port)).collect(),
            to: published.to.0,
            protocol: published.protocol,
            proxy_protocol: published.proxy_protocol,
            activate: published.activate,
            idle_stop: idle_stop.map(|span| span.0),
        }
    };
    definition.publish.iter().map(one).collect()
}
