//! What stands in the way of packets, and of ports.

use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;

/// Frames that a bridge passes on go through the host's packet rules.
const BRIDGE_NF_CALL: &str = "net/bridge/bridge-nf-call-iptables";

pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut list = vec![frames(facts)];
    list.extend(forwarding(facts));
    list.extend(firewalls(facts));
    list.extend(networkd(facts));
    list
}

/// br_netfilter is loaded by Docker and Kubernetes, and sends what goes from port to port through the FORWARD chain.
fn frames(facts: &Facts) -> Finding {
    let called = facts.sysctls.get(BRIDGE_NF_CALL).is_some_and(|value| *value != 0);
    let fix = "sysctl net.bridge.bridge-nf-call-iptables=0 and net.bridge.bridge-nf-call-ip6tables=0, in /etc/sysctl.d to keep it";
    match (called, facts.forward_drops.first()) {
        (false, _) => Finding::ok("bridges", "what goes from port to port passes no packet rules"),
        (true, None) => {
            Finding::warning("bridges", "bridge-nf-call-iptables = 1: rules for routing apply from port to port", fix)
        }
        (true, Some(chain)) => Finding::problem(
            "bridges",
            format!("bridge-nf-call-iptables = 1, and {chain} drops: containers on one bridge do not reach each other"),
            fix,
        ),
    }
}

fn forwarding(facts: &Facts) -> Vec<Finding> {
    let forwards = facts.sysctls.get("net/ipv4/ip_forward").is_some_and(|value| *value != 0);
    let mut list = Vec::new();
    if forwards && let Some(chain) = facts.forward_drops.first() {
        list.push(Finding::warning(
            "routing",
            format!("{chain} drops what no rule accepts: packets that the host routes to and from containers"),
            "a rule of its owner for your bridges, such as: iptables -I DOCKER-USER -i br0 -j ACCEPT",
        ));
    }
    list
}

fn firewalls(facts: &Facts) -> Vec<Finding> {
    let of = |service: &String| {
        Finding::warning(
            "firewall",
            format!("{service} runs: what containers send to the host itself, and what it routes, passes its rules"),
            match service.as_str() {
                "firewalld" => {
                    "firewall-cmd --permanent --zone=trusted --add-interface=br0, for a bridge that may".to_owned()
                }
                "ufw" => "ufw allow in on br0, for a bridge that may".to_owned(),
                service => format!("a rule of {service}'s for a bridge that may"),
            },
        )
    };
    facts.systemd.firewalls.iter().map(of).collect()
}

fn networkd(facts: &Facts) -> Option<Finding> {
    let runs = if facts.networkd.runs { "" } else { ", once it runs" };
    match &facts.networkd.takes_ports {
        None | Some((_, true)) if !facts.networkd.runs => None,
        None | Some((_, true)) => Some(Finding::ok("networkd", "leaves the ports of containers (vb-*) alone")),
        Some((file, false)) => {
            let fix = "narrow its [Match] (Name=!vb-*), or give it a name that sorts after 80-container-vb.network"
                .to_owned();
            let found = format!(
                "{file} matches the ports of containers (vb-*): networkd takes them out of their bridges{runs}"
            );
            Some(if facts.networkd.runs {
                Finding::problem("networkd", found, fix)
            } else {
                Finding::warning("networkd", found, fix)
            })
        }
    }
}
