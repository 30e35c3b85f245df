//! Routes, rules and queueing disciplines as lines. What there are no words for is there in hexadecimal, so that nothing is
//! left out of the comparison but what the kernel changes by itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Item;
use crate::network::socket::u32_at;
use crate::network::topology::{attributes, ip};

/// Links by their numbers.
pub type Names = BTreeMap<u32, String>;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_EXPIRES: u16 = 23;
/// RTM_F_* and RTNH_F_* that somebody sets; the others say what the carrier and the hardware do.
const RTNH_F_ONLINK: u32 = 4;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;
const FRA_OIFNAME: u16 = 17;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

/// struct rtmsg and the attributes behind it.
pub fn route(payload: &[u8], names: &Names) -> Option<Item> {
    let &[family, prefix, source, tos, table, protocol, scope, kind] = payload.first_chunk::<8>()?;
    let flags = u32_at(payload, 8)?;
    let (mut to, mut text, mut link) = ("default".to_owned(), String::new(), None);
    let mut table = u32::from(table);
    let mut rest = Vec::new();
    for (attribute, value) in attributes(payload.get(12..)?) {
        let number = || u32_at(value, 0).unwrap_or_default();
        match attribute {
            RTA_DST => to = format!("{}/{prefix}", address(value)),
            RTA_GATEWAY => rest.push(format!("via {}", address(value))),
            RTA_OIF => link = Some(name(names, number())),
            RTA_PRIORITY => rest.push(format!("metric {}", number())),
            RTA_PREFSRC => rest.push(format!("src {}", address(value))),
            RTA_TABLE => table = number(),
            RTA_MULTIPATH => rest.push(format!("nexthops {}", nexthops(value))),
            // How long it has been there, and how long it will be.
            RTA_CACHEINFO | RTA_EXPIRES => {}
            _ => rest.push(format!("attribute {attribute} {}", hex(value, ""))),
        }
    }
    rest.sort();
    let family = if family == 2 { "IPv4" } else { "IPv6" };
    let _ = write!(text, "{family} {to}");
    if let Some(link) = &link {
        let _ = write!(text, " dev {link}");
    }
    let table = match table {
        254 => "main".to_owned(),
        255 => "local".to_owned(),
        other => other.to_string(),
    };
    let _ = write!(text, " table {table} type {kind} protocol {protocol} scope {scope}");
    for (word, value) in [("from-prefix", source), ("tos", tos)].into_iter().filter(|(_, value)| *value != 0) {
        let _ = write!(text, " {word} {value}");
    }
    if flags & RTNH_F_ONLINK != 0 {
        text += " onlink";
    }
    rest.iter().for_each(|part| text += &format!(" {part}"));
    Some(Item { link, text })
}

/// struct rtnexthop, one after the other: length, flags, weight, index, attributes. The flags are the carrier's.
fn nexthops(bytes: &[u8]) -> String {
    let (mut rest, mut list) = (bytes, Vec::new());
    while let Some(length) = rest.first_chunk::<2>().map(|bytes| usize::from(u16::from_ne_bytes(*bytes))) {
        let Some(hop) = rest.get(..length).filter(|hop| hop.len() >= 8) else { break };
        list.push(format!("{}-{}", hop[3], hex(&hop[4..], "")));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    list.join(",")
}

/// struct fib_rule_hdr and the attributes behind it.
pub fn rule(payload: &[u8]) -> Option<Item> {
    let &[family, to_prefix, from_prefix, tos, table, _, _, action] = payload.first_chunk::<8>()?;
    let flags = u32_at(payload, 8)?;
    let (mut priority, mut table, mut rest) = (0, u32::from(table), Vec::new());
    for (attribute, value) in attributes(payload.get(12..)?) {
        let number = || u32_at(value, 0).unwrap_or_default();
        let word = || String::from_utf8_lossy(value).trim_end_matches('\0').to_owned();
        match attribute {
            FRA_PRIORITY => priority = number(),
            FRA_TABLE => table = number(),
            FRA_DST => rest.push(format!("to {}/{to_prefix}", address(value))),
            FRA_SRC => rest.push(format!("from {}/{from_prefix}", address(value))),
            FRA_IIFNAME => rest.push(format!("iif {}", word())),
            FRA_OIFNAME => rest.push(format!("oif {}", word())),
            _ => rest.push(format!("attribute {attribute} {}", hex(value, ""))),
        }
    }
    rest.sort();
    let family = if family == 2 { "IPv4" } else { "IPv6" };
    // Whether its link is there just now is no part of the rule.
    let inverted = if flags & 2 != 0 { " not" } else { "" };
    let mut text = format!("{family} {priority}:{inverted} table {table} action {action} tos {tos}");
    rest.iter().for_each(|part| text += &format!(" {part}"));
    Some(Item { link: None, text })
}

/// struct tcmsg and the attributes behind it, without what it has counted.
pub fn queueing(payload: &[u8], names: &Names) -> Option<Item> {
    let link = name(names, u32_at(payload, 4)?);
    let (handle, parent) = (u32_at(payload, 8)?, u32_at(payload, 12)?);
    let of = |wanted: u16| attributes(payload.get(20..)?).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let kind = String::from_utf8_lossy(of(TCA_KIND)?).trim_end_matches('\0').to_owned();
    let options = of(TCA_OPTIONS).map(|value| format!(" {}", hex(value, ""))).unwrap_or_default();
    let text = format!("{link}: {kind} handle {:x}: parent {parent:x}{options}", handle >> 16);
    Some(Item { link: Some(link), text })
}

fn name(names: &Names, index: u32) -> String {
    names.get(&index).cloned().unwrap_or_else(|| format!("link {index}"))
}

fn address(bytes: &[u8]) -> String {
    ip(bytes).map_or_else(|| hex(bytes, ""), |ip| ip.to_string())
}

/// Two digits a byte.
pub fn hex(bytes: &[u8], between: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(header: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = header.to_vec();
        attributes.iter().for_each(|(kind, value)| bytes.extend(attribute(*kind, value)));
        bytes
    }

    #[test]
    fn a_route_has_all_but_its_age_and_its_carrier() {
        let names = Names::from([(3, "br0".to_owned())]);
        let index = 3_u32.to_ne_bytes();
        let gateway = [10, 0, 0, 1];
        let text = |flags: u32, age: u8| {
            let header = [&[2, 8, 0, 0, 254, 4, 0, 1][..], &flags.to_ne_bytes()].concat();
            let attributes =
                [(RTA_DST, &[10, 0, 0, 0][..]), (RTA_OIF, &index), (RTA_GATEWAY, &gateway), (RTA_CACHEINFO, &[age; 4])];
            route(&message(&header, &attributes), &names).unwrap()
        };
        let text_of = "IPv4 10.0.0.0/8 dev br0 table main type 1 protocol 4 scope 0 via 10.0.0.1";
        assert_eq!(text(0, 1), Item { link: Some("br0".to_owned()), text: text_of.to_owned() });
        assert_eq!(text(16, 2), text(0, 1), "linkdown");
        assert_eq!(text(4, 1).text, text_of.replace(" via", " onlink via"));
    }

    #[test]
    fn a_multipath_route_has_its_weights() {
        let hop = |flags: u8, weight: u8| vec![8, 0, flags, weight, 3, 0, 0, 0];
        assert_eq!(nexthops(&[hop(0, 0), hop(16, 9)].concat()), "0-03000000,9-03000000");
        assert_eq!(nexthops(&[200, 0, 0, 0, 1]), "", "a length that lies");
    }
}
