//! What a DHCP server has said, and how long it holds. Whoever is on the wire may be that server: nothing of it is taken but
//! addresses, numbers and names of domains, and these are looked at.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::definition::types::{Cidr, is_domain, not_a_host};
use crate::error::{Context, Error, Result};
use crate::file;
use crate::layout::Layout;
use crate::plan::{LEASE_PERIOD, Link, Plan, Route};

const FILE: &str = "leases.json";
/// Far above what is written.
const LARGEST: u64 = 1 << 20;
/// One that is shorter would end between two looks of the timer.
const SHORTEST: u32 = 2 * LEASE_PERIOD as u32;
/// RFC 2131, section 3.3: for ever.
const ENDLESS: u32 = u32::MAX;
/// resolv.conf(5): further ones are never asked.
const MOST_SERVERS: usize = 3;
/// RT_TABLE_MAIN
const MAIN_TABLE: u32 = 254;
/// Of resolv.conf(5) before glibc 2.26.
const MOST_DOMAINS: usize = 6;
/// musl reads lines of 254 bytes, and "search" is one of the words.
const LONGEST_SEARCH: usize = 240;

/// By the name of the link.
pub type Leases = BTreeMap<String, Lease>;

/// What was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// With the prefix of its network.
    pub address: Cidr,
    /// The first router.
    pub router: Option<Ipv4Addr>,
    /// So long is it the container's.
    pub seconds: u32,
    /// Who answers questions for names.
    pub servers: Vec<Ipv4Addr>,
    /// Where names without a dot are looked up.
    pub search: Vec<String>,
}

/// What one link has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// With the prefix of its network.
    pub address: Cidr,
    router: Option<Ipv4Addr>,
    #[serde(default)]
    servers: Vec<Ipv4Addr>,
    #[serde(default)]
    search: Vec<String>,
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
        if address.why_not().is_some() {
            return Err(wrong("address"));
        }
        if router == Some(ip) || (prefix < 32 && router.is_some_and(|router| !address.contains(IpAddr::V4(router)))) {
            return Err(wrong("router"));
        }
        // Not worth the address: of these what cannot be is left out.
        let servers = value("dns").unwrap_or_default().split_whitespace().filter_map(|text| text.parse().ok());
        let servers = first_of(servers.filter(host), MOST_SERVERS);
        let search = value("search").map(domains).filter(|list| !list.is_empty());
        let search = search.unwrap_or_else(|| value("domain").map(domains).unwrap_or_default());
        Ok(Self { address, router, seconds, servers, search })
    }
}

/// Each once.
fn first_of<T: PartialEq>(items: impl Iterator<Item = T>, most: usize) -> Vec<T> {
    let mut list = Vec::new();
    for item in items {
        if list.len() < most && !list.contains(&item) {
            list.push(item);
        }
    }
    list
}

fn domains(text: &str) -> Vec<String> {
    /// busybox puts it in the place of a name that it refuses.
    const REFUSED: &str = "bad";
    let words = text.split_whitespace().map(|word| word.strip_suffix('.').unwrap_or(word).to_owned());
    first_of(words.filter(|word| word != REFUSED && is_domain(word)), MOST_DOMAINS)
}

impl Lease {
    /// Of this moment.
    pub fn new(given: Given, now: u64) -> Self {
        let Given { address, router, seconds, servers, search } = given;
        Self { address, router, servers, search, seconds, obtained: now, in_force: true, told: false }
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
    let (mut servers, mut search) = (Vec::new(), Vec::new());
    let mut routed = plan.links.iter().any(has_default);
    for link in plan.links.iter_mut().filter(|link| link.awaits_lease()) {
        let Some(lease) = leases.get(&link.name).filter(|lease| lease.in_force) else { continue };
        link.addresses.insert(0, lease.address);
        servers.extend(&lease.servers);
        search.extend(&lease.search);
        if let (Some(router), false) = (lease.router, routed) {
            link.gateways.push(router.into());
            routed = true;
        }
    }
    let (servers, search) = (first_of(servers.into_iter(), MOST_SERVERS), first_of(search.into_iter(), MOST_DOMAINS));
    for file in plan.sandbox.files.iter_mut().filter(|file| file.leased) {
        file.content += &resolver(&servers, &search, &file.content);
    }
    plan
}

/// An IPv4 one, beside which the kernel takes no other.
fn has_default(link: &Link) -> bool {
    let usual = |route: &Route| route.metric.unwrap_or(0) == 0 && route.table.is_none_or(|table| table == MAIN_TABLE);
    let is_default = |route: &Route| route.to.prefix == 0 && route.to.address.is_ipv4() && usual(route);
    link.gateways.iter().any(IpAddr::is_ipv4) || link.routes.iter().any(is_default)
}

/// What resolv.conf(5) says by leases; domains that the definition names are the ones to search.
fn resolver(servers: &[Ipv4Addr], search: &[&String], own: &str) -> String {
    let mut text: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    let mut line = String::new();
    for domain in search.iter().filter(|_| !own.lines().any(|line| line.starts_with("search "))) {
        if line.len() + domain.len() < LONGEST_SEARCH {
            line += &format!(" {domain}");
        }
    }
    if !line.is_empty() {
        text += &format!("search{line}\n");
    }
    text
}

/// The generated file that goes on with what leases say, without comments.
pub fn resolver_of(plan: &Plan) -> Option<String> {
    let file = plan.sandbox.files.iter().find(|file| file.leased)?;
    Some(file.content.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("; "))
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
            ("10.5.0.20", "10.5.0.255"),
            ("10.5.0.20", "10.5.0.0"),
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
    fn of_servers_and_domains_what_cannot_be_is_left_out() {
        let given = |lines: &str| Given::parse(&(GOOD.to_owned() + lines)).unwrap();
        let search = |lines: &str| given(lines).search;
        let ip = |last| Ipv4Addr::new(10, 5, 0, last);
        assert_eq!(given("").servers, Vec::<Ipv4Addr>::new());
        let many = "dns=10.5.0.1 127.0.0.1 10.5.0.1 x 0.0.0.0 224.0.0.1 fd00::1 10.5.0.2 10.5.0.3 10.5.0.4\n";
        assert_eq!(given(many).servers, [ip(1), ip(2), ip(3)]);
        assert_eq!(search("domain=lab.example\n"), ["lab.example"]);
        assert_eq!(search("domain=lab.example\nsearch=a.example b.example. a.example\n"), ["a.example", "b.example"]);
        assert_eq!(search("domain=lab.example\nsearch=a;b \u{1b}[2J\n"), ["lab.example"]);
        for refused in ["bad", "-x", "a..b", "a_b", "a\u{7f}b", "é", "..", &"x".repeat(64), &"x.".repeat(150)] {
            assert_eq!(search(&format!("domain={refused}\n")), [""; 0], "{refused}");
        }
        assert_eq!(search("domain=a b c d e f g h\n").len(), MOST_DOMAINS);
    }

    #[test]
    fn a_container_asks_those_that_its_leases_name() {
        let link = |name: &str| crate::plan::Link {
            name: name.to_owned(),
            dhcp: crate::plan::Dhcp::Host,
            ..crate::plan::Link::default()
        };
        let plan = |own: &str| {
            let mut plan = Plan::example("web");
            plan.links = vec![link("eth0"), link("eth1")];
            plan.sandbox.files = vec![crate::plan::FileSource {
                target: "/etc/resolv.conf".to_owned(),
                content: format!("# soute\n{own}"),
                after_image: false,
                kept: false,
                leased: true,
            }];
            plan
        };
        let lease = |lines: &str| Lease::new(Given::parse(&(GOOD.to_owned() + lines)).unwrap(), 1000);
        let first = lease("dns=10.5.0.1 10.5.0.2\nsearch=a.example b.example\n");
        let second = lease("dns=10.5.0.2 10.6.0.1 10.6.0.2\ndomain=b.example\n");
        let lost = Lease { in_force: false, ..first.clone() };
        let content = |own: &str, leases: &[(&str, &Lease)]| {
            let leases = leases.iter().map(|(link, lease)| ((*link).to_owned(), (*lease).clone())).collect();
            with(&plan(own), &leases).sandbox.files.remove(0).content
        };
        assert_eq!(
            content("options edns0\n", &[("eth0", &first)]),
            "# soute\noptions edns0\nnameserver 10.5.0.1\nnameserver 10.5.0.2\nsearch a.example b.example\n"
        );
        assert_eq!(
            content("search own.example\n", &[("eth0", &first), ("eth1", &second)]),
            "# soute\nsearch own.example\nnameserver 10.5.0.1\nnameserver 10.5.0.2\nnameserver 10.6.0.1\n"
        );
        assert_eq!(
            content("", &[("eth0", &lost), ("eth1", &second)]),
            "# soute\nnameserver 10.5.0.2\nnameserver 10.6.0.1\nnameserver 10.6.0.2\nsearch b.example\n"
        );
        assert_eq!(content("", &[("eth0", &lost)]), "# soute\n");
        // A router is taken where the definition has none; a second one of a lease is not.
        let routers = |route: Option<Route>| {
            let leases = ["eth0", "eth1"].map(|link| (link.to_owned(), first.clone())).into();
            let mut plan = plan("");
            plan.links[1].routes.extend(route);
            with(&plan, &leases).links.iter().map(|link| link.gateways.len()).collect::<Vec<_>>()
        };
        let default = Route { to: "0.0.0.0/0".parse().unwrap(), via: None, metric: None, table: None };
        assert_eq!(routers(None), [1, 0]);
        assert_eq!(routers(Some(Route { metric: Some(5), ..default.clone() })), [1, 0]);
        assert_eq!(routers(Some(default)), [0, 0]);
        let long = lease(&format!("search={0}.a {0}.b {0}.c {0}.d\n", "x".repeat(60)));
        assert!(content("", &[("eth0", &long)]).lines().all(|line| line.len() < 255));
    }

    #[test]
    fn what_an_older_soute_has_noted_is_read() {
        let noted = r#"{"eth0":{"address":"10.5.0.20/24","router":"10.5.0.1","seconds":3600,"obtained":1000,"in_force":true,"told":false}}"#;
        let leases: Leases = serde_json::from_str(noted).unwrap();
        assert_eq!(leases["eth0"], Lease::new(Given::parse(GOOD).unwrap(), 1000));
    }

    #[test]
    fn leases_are_renewed_at_their_half_kept_in_silence_and_lost_in_the_end() {
        let given = Given::parse(GOOD).unwrap();
        let lease = Lease::new(given.clone(), 1000);
        assert!(!lease.is_due(1000 + 1799) && lease.is_due(1000 + 1800));
        assert!(Lease::new(Given { seconds: 120, ..given.clone() }, 1000).is_due(1046));
        assert!(!Lease::new(Given { seconds: ENDLESS, ..given.clone() }, 1000).is_due(u64::MAX));
        let (kept, step) = lease.step(Err("silence".into()), 3000);
        assert_eq!(step, Step::Silence("silence".into()));
        assert_eq!(kept.step(Err("silence".into()), 4000), (kept.clone(), Step::Nothing));
        let (lost, step) = kept.step(Err("silence".into()), 4600);
        assert_eq!((step, lost.in_force), (Step::Lost("silence".into()), false));
        assert_eq!(lost.step(Err("silence".into()), 9999), (lost.clone(), Step::Nothing));
        assert!(lost.is_due(4601));
        assert_eq!(lost.step(Ok(given.clone()), 5000), (Lease::new(given.clone(), 5000), Step::Given));
        assert_eq!(lease.step(Ok(given.clone()), 3000), (Lease::new(given.clone(), 3000), Step::Nothing));
        let other = Given { servers: vec![Ipv4Addr::new(10, 5, 0, 1)], ..given };
        assert_eq!(lease.step(Ok(other.clone()), 3000), (Lease::new(other, 3000), Step::Nothing));
    }
}
