//! Ports of the host that two containers want.

use super::conflict::Conflict;
use crate::definition::fault::Fault;
use crate::definition::outline::{Outline, Published};
use crate::definition::source::Origin;
use crate::definition::types::Name;

/// By port, so that a thousand containers are not compared each with each.
pub(super) fn conflicts(outlines: &[Outline]) -> Vec<Conflict> {
    let mut ports: Vec<(&Published, &Name, &Origin)> = Vec::new();
    for outline in outlines {
        ports.extend(outline.ports.iter().map(|(port, origin)| (port, &outline.name, origin)));
    }
    // Stable: of two containers the one that is first in the list is the one that has the port.
    ports.sort_by_key(|(port, ..)| (port.protocol, port.listen.port));
    let one_port = |a: &Published, b: &Published| (a.protocol, a.listen.port) == (b.protocol, b.listen.port);
    let mut found = Vec::new();
    for group in ports.chunk_by(|(a, ..), (b, ..)| one_port(a, b)) {
        for (index, (port, name, origin)) in group.iter().enumerate() {
            let taken = |(other, whose, _): &&(&Published, &Name, &Origin)| {
                *whose != *name && other.listen.overlaps(port.listen)
            };
            if let Some((other, whose, first)) = group[..index].iter().find(taken) {
                let message = format!("{whose} has the {} port {} already", port.protocol.as_str(), other.listen);
                let fault = Fault::new(message, Some((*origin).clone())).at("publish");
                let fault = fault.related(Some((*first).clone()), "it is here first");
                found.push(Conflict { names: [*whose, *name].map(Name::clone).into(), fault });
            }
        }
    }
    found
}
