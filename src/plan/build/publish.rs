//! Published ports.

use std::net::SocketAddr;

use super::super::{Facts, Publish, publish};
use crate::definition::Definition;

/// One for each `[[publish]]`, in order.
pub fn publish(definition: &Definition, facts: &Facts) -> Vec<Publish> {
    let one = |published: &crate::definition::model::Publish| {
        let (listen, port) = (published.listen, published.listen.port.0);
        // Loopback is both families where the host has both; an address that is written is wanted.
        let usable = |address: &std::net::IpAddr| listen.address.is_some() || facts.ipv6 || address.is_ipv4();
        let addresses = listen.addresses().into_iter().filter(usable);
        Publish {
            instance: publish::instance(&facts.name, listen.address, port, published.protocol),
            listen: listen.to_string(),
            addresses: addresses.map(|address| SocketAddr::new(address, port)).collect(),
            to: published.to.0,
            protocol: published.protocol,
            proxy_protocol: published.proxy_protocol,
        }
    };
    definition.publish.iter().map(one).collect()
}
