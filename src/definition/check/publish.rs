//! Published ports of one container.

use super::{Subject, wrong};
use crate::definition::model::Protocol;
use crate::definition::types::NetworkNamespace;

pub(super) fn check(s: &mut Subject<'_>) {
    let ports = &s.definition.publish;
    if s.definition.namespaces.network != NetworkNamespace::Private && !ports.is_empty() {
        let fault =
            wrong("the container's ports are those of another network already, and no [[publish]] leads to them");
        let asked = s.origin(&["namespaces", "network"]);
        s.say(&["publish"], fault.related(asked, "that network is asked for here"));
        return;
    }
    for (index, publish) in ports.iter().enumerate() {
        let idle = ["publish", &index.to_string(), "idle-stop"];
        match publish.idle_stop {
            Some(_) if !publish.activate => {
                let fault = wrong("without activate nothing would start the container again");
                s.say(&idle, fault.help("add activate = true"));
            }
            Some(span) if span.0.is_zero() => s.say(&idle, wrong("0 is no time to be idle")),
            _ => {}
        }
        if publish.proxy_protocol && publish.protocol == Protocol::Udp {
            let said = ["publish", &index.to_string(), "proxy-protocol"];
            s.say(&said, wrong("datagrams have no line of the PROXY protocol before them").help("it is for tcp"));
        }
        let same = |other: &crate::definition::model::Publish| {
            other.protocol == publish.protocol && other.listen.overlaps(publish.listen)
        };
        if let Some(first) = ports[..index].iter().position(same) {
            let fault = wrong(format!("{} is published already, as {}", publish.listen, ports[first].listen));
            let first = s.origin(&["publish", &first.to_string(), "listen"]);
            s.say(&["publish", &index.to_string(), "listen"], fault.related(first, "it is here first"));
        }
    }
}
