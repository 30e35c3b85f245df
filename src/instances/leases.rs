//! What a DHCP server has said, and how long it holds. Whoever is on the wire may be that server: nothing of it is taken but
//! addresses and numbers, and these are looked at.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::definition::types::{Cidr, not_a_host};
use crate::error::{Context, Error, Result};
use crate::file;
use crate::layout::Layout;
use crate::plan::{LEASE_PERIOD, Plan};

const FILE: &str = "leases.json";
/// Far above what is written.
const LARGEST: u64 = 1 << 20;
/// One that is shorter would end between two looks of the timer.
const SHORTEST: u32 = 2 * LEASE_PERIOD as u32;
/// RFC 2131, section 3.3: for ever.
const ENDLESS: u32 = u32::MAX;

/// By the name of the link.
pub type Leases = BTreeMap<String, Lease>;

/// What was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// With the prefix of its network.
    pub address: Cidr,
    /// The first router.
    pub router: Option<Ipv4Addr>,
    /// So long is it the container's.
    pub seconds: u32,
}

/// What one link has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// With the prefix of its network.
    pub address: Cidr,
    router: Option<Ipv4Addr>,
    seconds: u32,
    /// When, in seconds since the host has booted.
    obtained: u64,
    /// No longer once it has ended.
    in_force: bool,
    /// It was said that nobody answers.
    told: bool,
}

/// What an answer, or none, has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing worth telling.
    Nothing,
    /// Another address than before, or one again.
    Given,
    /// No answer, for the first time.
    Silence(String),
    /// The lease is over.
    Lost(String),
}

impl Given {
    /// The lines of [`crate::dhcp::say`].
    pub fn parse(text: &str) -> Result<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let wrong = |what: &str| Error::failed(format!("the DHCP server's answer has no usable {what}"));
        let number = |key: &str| value(key)?.trim().parse::<Ipv4Addr>().ok();
        let host = |ip: &Ipv4Addr| not_a_host(IpAddr::V4(*ip)).is_none();
        let ip = number("ip").filter(host).ok_or_else(|| wrong("address"))?;
        let mask = number("subnet").map_or(u32::MAX, Ipv4Addr::to_bits);
        let prefix = mask.leading_ones();
        if prefix == 0 || prefix + mask.trailing_zeros().min(32 - prefix) != 32 || mask.count_ones() != prefix {
            return Err(wrong("netmask"));
        }
        let first = value("router").and_then(|list| list.split_whitespace().next());
        let router = first.map(|text| text.parse().ok().filter(host).ok_or_else(|| wrong("router"))).transpose()?;
        let seconds = value("lease").and_then(|text| text.trim().parse().ok()).ok_or_else(|| wrong("lease time"))?;
        if seconds < SHORTEST {
            let text = format!("the DHCP server gives a lease of {seconds} s, and less than {SHORTEST} s is not kept");
            return Err(Error::failed(text));
        }
        let address = Cidr { address: IpAddr::V4(ip), prefix: u8::try_from(prefix).map_err(Error::failed)? };
        if router == Some(ip) || (prefix < 32 && router.is_some_and(|router| !address.contains(IpAddr::V4(router)))) {
            return Err(wrong("router"));
        }
        Ok(Self { address, router, seconds })
    }
}

impl Lease {
    /// Of this moment.
    pub fn new(given: Given, now: u64) -> Self {
        let Given { address, router, seconds } = given;
        Self { address, router, seconds, obtained: now, in_force: true, told: false }
    }

    /// Half of it is over, or the next look would come late.
    pub fn is_due(&self, now: u64) -> bool {
        let (age, whole) = (now.saturating_sub(self.obtained), u64::from(self.seconds));
        !self.in_force || (self.seconds != ENDLESS && (age >= whole / 2 || age + LEASE_PERIOD > whole * 7 / 8))
    }

    /// With what was answered.
    pub fn step(&self, answer: Result<Given, String>, now: u64) -> (Self, Step) {
        let over = now.saturating_sub(self.obtained) >= self.seconds.into();
        match answer {
            Ok(given) => {
                let new = Self::new(given, now);
                let same = (self.address, self.in_force) == (new.address, true);
                (new, if same { Step::Nothing } else { Step::Given })
            }
            Err(why) if self.in_force && over => {
                (Self { in_force: false, told: true, ..self.clone() }, Step::Lost(why))
            }
            Err(_) if self.told => (self.clone(), Step::Nothing),
            Err(why) => (Self { told: true, ..self.clone() }, Step::Silence(why)),
        }
    }
}

/// The plan as it runs: links have what they were given, and the first router where none is named.
pub fn with(plan: &Plan, leases: &Leases) -> Plan {
    let mut plan = plan.clone();
    let mut routed = plan.links.iter().flat_map(|link| &link.gateways).any(IpAddr::is_ipv4);
    for link in plan.links.iter_mut().filter(|link| link.awaits_lease()) {
        let Some(lease) = leases.get(&link.name).filter(|lease| lease.in_force) else { continue };
        link.addresses.insert(0, lease.address);
        if let (Some(router), false) = (lease.router, routed) {
            link.gateways.push(router.into());
            routed = true;
        }
    }
    plan
}

/// The same by the file.
pub fn leased(layout: &Layout, plan: Plan) -> Plan {
    match plan.links.iter().any(crate::plan::Link::awaits_lease) {
        true => with(&plan, &read(layout, &plan.name).unwrap_or_default()),
        false => plan,
    }
}

/// What a container has, or had when it ran.
pub fn read(layout: &Layout, name: &str) -> Result<Leases> {
    let action = || format!("cannot read the leases of {name}");
    let text = file::read(&layout.state(name).join(FILE), LARGEST).with_context(action)?;
    text.map_or_else(
        || Ok(Leases::new()),
        |text| serde_json::from_str(&text).map_err(Error::failed).with_context(action),
    )
}

/// Notes what a container has.
pub fn write(layout: &Layout, name: &str, leases: &Leases) -> Result<()> {
    let action = || format!("cannot note the leases of {name}");
    let text = serde_json::to_vec(leases).map_err(Error::failed).with_context(action)?;
    file::write(&layout.state(name).join(FILE), &text, 0o600).with_context(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "ip=10.5.0.20\nsubnet=255.255.255.0\nrouter=10.5.0.1 10.5.0.2\nlease=3600\n";

    #[test]
    fn an_answer_is_addresses_and_numbers() {
        let given = Given::parse(GOOD).unwrap();
        assert_eq!((given.address.to_string(), given.seconds), ("10.5.0.20/24".to_owned(), 3600));
        assert_eq!(given.router, Some(Ipv4Addr::new(10, 5, 0, 1)));
        assert_eq!(Given::parse("ip=10.5.0.20\nlease=3600\n").unwrap().address.prefix, 32);
        for (from, to) in [
            ("10.5.0.20", "224.0.0.1"),
            ("10.5.0.20", "127.0.0.1"),
            ("10.5.0.20", "10.5.0.20\u{1b}[2J"),
            ("10.5.0.20", "10.5.0.1"),
            ("255.255.255.0", "255.0.255.0"),
            ("255.255.255.0", "0.0.0.0"),
            ("10.5.0.1 ", "10.6.0.1 "),
            ("10.5.0.1 ", "x "),
            ("3600", "119"),
            ("3600", "-1"),
            ("3600", "99999999999"),
            ("lease=3600", ""),
        ] {
            assert!(Given::parse(&GOOD.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn leases_are_renewed_at_their_half_kept_in_silence_and_lost_in_the_end() {
        let given = Given::parse(GOOD).unwrap();
        let lease = Lease::new(given, 1000);
        assert!(!lease.is_due(1000 + 1799) && lease.is_due(1000 + 1800));
        assert!(Lease::new(Given { seconds: 120, ..given }, 1000).is_due(1046));
        assert!(!Lease::new(Given { seconds: ENDLESS, ..given }, 1000).is_due(u64::MAX));
        let (kept, step) = lease.step(Err("silence".into()), 3000);
        assert_eq!(step, Step::Silence("silence".into()));
        assert_eq!(kept.step(Err("silence".into()), 4000), (kept.clone(), Step::Nothing));
        let (lost, step) = kept.step(Err("silence".into()), 4600);
        assert_eq!((step, lost.in_force), (Step::Lost("silence".into()), false));
        assert_eq!(lost.step(Err("silence".into()), 9999), (lost.clone(), Step::Nothing));
        assert!(lost.is_due(4601));
        assert_eq!(lost.step(Ok(given), 5000), (Lease::new(given, 5000), Step::Given));
        assert_eq!(lease.step(Ok(given), 3000), (Lease::new(given, 3000), Step::Nothing));
    }
}
