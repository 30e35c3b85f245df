//! Whether somebody else on the wire has the address of a container that is about to run.
//!
//! The host asks as it would before it sends something there: ARP by the kernel's neighbour table, neighbour solicitations by
//! a socket. That costs a few messages to the kernel, and the answers come while the container is built. RFC 5227 has a host
//! wait for seconds, RFC 4862 for one: containers would start that much later. A packet socket could ask without an address
//! of the host's, but closing one waits for an RCU grace period, up to 20 ms.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::addresses;
use super::link::{self, Found};
use super::neighbour::{self, Entry};
use super::socket::Socket;
use super::solicit::Solicitor;
use crate::error::Error;
use crate::plan::{Link, LinkKind, Port};

/// Whoever has answered once has to go on for this long: the namespace of somebody who has ended is dismantled meanwhile.
const CONFIRMED: Duration = Duration::from_secs(1);
/// And is asked again this often. On a wire of today an answer takes less than a millisecond.
const ROUND: Duration = Duration::from_millis(25);
/// For those who have time: what is lost is asked for again.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// An address that somebody else has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// Which.
    pub address: IpAddr,
    /// The bridge, or the parent, where it is.
    pub device: String,
    /// Who answers; none for the host itself.
    pub mac: Option<[u8; 6]>,
    /// The port of the bridge that answers come from.
    pub port: Option<String>,
    /// That port is the host's end of a link that soute made.
    is_ours: bool,
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, device, mac, port, .. } = self;
        let Some([a, b, c, d, e, g]) = mac else {
            return write!(f, "the address {address} is the host's own on {device}");
        };
        write!(
            f,
            "the address {address} is in use on {device}: {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x} has it"
        )?;
        port.as_ref().map_or(Ok(()), |port| write!(f, ", behind {port}"))
    }
}

impl From<InUse> for Error {
    fn from(found: InUse) -> Self {
        Self::failed(found)
    }
}

/// One address on one link of the host.
struct Question {
    address: IpAddr,
    own: [u8; 6],
    device: usize,
    /// Somebody has it, the container itself in an earlier run or another.
    answered: bool,
}

struct Device {
    link: Found,
    solicitor: Option<Solicitor>,
}

/// Questions that are asked.
pub struct Asked {
    socket: Socket,
    devices: Vec<Device>,
    questions: Vec<Question>,
    of_host: Vec<InUse>,
}

impl Asked {
    /// Asks for every address of these links that the host can ask for; none where there is no such. What goes wrong here
    /// keeps nothing from starting.
    pub fn of(links: &[Link]) -> Option<Self> {
        links.iter().find(|link| device(link).is_some() && !link.addresses.is_empty())?;
        let mut asked =
            Self { socket: Socket::open(0).ok()?, devices: Vec::new(), questions: Vec::new(), of_host: Vec::new() };
        links.iter().for_each(|link| asked.add(link));
        let all: Vec<usize> = (0..asked.questions.len()).collect();
        asked.ask(&all);
        (!asked.questions.is_empty() || !asked.of_host.is_empty()).then_some(asked)
    }

    fn add(&mut self, link: &Link) {
        let Some((name, own)) = device(link).zip(Some(link.mac)) else { return };
        let Some(device) = self.device(name, link.port()) else { return };
        let index = self.devices[device].link.index;
        let of_host = addresses::of_link(&mut self.socket, index).unwrap_or_default();
        for address in link.addresses.iter().map(|cidr| cidr.address) {
            if of_host.iter().any(|found| found.cidr.address == address) {
                self.of_host.push(InUse { address, device: name.to_owned(), mac: None, port: None, is_ours: false });
                continue;
            }
            // Who is written down is not asked, and stays written down.
            let written = match address {
                IpAddr::V4(v4) => neighbour::look_up(&mut self.socket, index, v4) == Ok(Entry::Written),
                IpAddr::V6(_) => false,
            };
            if !written {
                self.questions.push(Question { address, own, device, answered: false });
            }
        }
    }

    /// None where the host does not hear the link: it is down, not there yet, or in a VLAN of its own.
    fn device(&mut self, name: &str, port: Option<&Port>) -> Option<usize> {
        let known = self.devices.iter().position(|device| device.link.name == name);
        let at = match known {
            Some(at) => at,
            None => {
                let link = link::find(&mut self.socket, name).ok()??;
                self.devices.push(Device { link, solicitor: None });
                self.devices.len() - 1
            }
        };
        let found = &self.devices[at].link;
        let is_heard = |port: &Port| match port.vlan {
            Some(vlan) => vlan == found.default_vlan,
            None => port.tagged.is_empty(),
        };
        (found.up && port.is_none_or(is_heard)).then_some(at)
    }

    fn ask(&mut self, numbers: &[usize]) {
        let mut requests = Vec::new();
        for question in numbers.iter().filter_map(|number| self.questions.get(*number)) {
            let device = &mut self.devices[question.device];
            let found = &device.link;
            match question.address {
                IpAddr::V4(v4) => requests.extend(neighbour::ask(found.index, v4)),
                IpAddr::V6(v6) => {
                    let Ok(mac) = found.mac.as_slice().try_into() else { continue };
                    if device.solicitor.is_none() {
                        device.solicitor = Solicitor::open(&found.name, found.index, mac).ok();
                    }
                    // A host without an address there cannot ask.
                    let _ = device.solicitor.as_ref().map(|solicitor| solicitor.ask(v6));
                }
            }
        }
        // A table that is full is nobody's fault here.
        let _ = self.socket.run(&requests);
    }

    /// Who has answered by now, by the numbers of the questions.
    fn answers(&mut self) -> Vec<(usize, [u8; 6])> {
        let mut heard: Vec<(usize, Ipv6Addr, [u8; 6])> = Vec::new();
        for (at, device) in self.devices.iter().enumerate() {
            let answers = device.solicitor.iter().flat_map(Solicitor::answers);
            heard.extend(answers.map(|(address, mac)| (at, address, mac)));
        }
        let mut all = Vec::new();
        for (number, question) in self.questions.iter_mut().enumerate() {
            let index = self.devices[question.device].link.index;
            let macs: Vec<[u8; 6]> = match question.address {
                IpAddr::V4(v4) => match neighbour::look_up(&mut self.socket, index, v4) {
                    Ok(Entry::Answered(mac)) => vec![mac],
                    _ => Vec::new(),
                },
                IpAddr::V6(v6) => {
                    let is_of = |heard: &&(usize, Ipv6Addr, [u8; 6])| heard.0 == question.device && heard.1 == v6;
                    heard.iter().filter(is_of).map(|(_, _, mac)| *mac).collect()
                }
            };
            question.answered = !macs.is_empty();
            // An own answer is that of an earlier run, and another's may come beside it.
            all.extend(macs.into_iter().find(|mac| *mac != question.own).map(|mac| (number, mac)));
        }
        all
    }

    /// Who has an address, as far as answers have come. Whoever `has_ended` tells of, by the host's end of its link, is
    /// about to go; everybody else is asked again until that is sure.
    pub fn found(&mut self, has_ended: impl Fn(&str) -> bool) -> Option<InUse> {
        if let Some(of_host) = self.of_host.first() {
            return Some(of_host.clone());
        }
        let begin = Instant::now();
        loop {
            let answers = self.answers();
            let named: Vec<(usize, InUse)> =
                answers.into_iter().map(|(number, mac)| (number, self.named(number, mac))).collect();
            let ended = |found: &InUse| found.is_ours && found.port.as_deref().is_some_and(&has_ended);
            let (number, found) = named.into_iter().find(|(_, found)| !ended(found))?;
            if begin.elapsed() >= CONFIRMED {
                return Some(found);
            }
            self.ask(&[number]);
            sleep(ROUND);
        }
    }

    /// The same for who has time: asks again until then, if nobody answers.
    pub fn found_within(&mut self, patience: Duration, has_ended: impl Fn(&str) -> bool) -> Option<InUse> {
        let begin = Instant::now();
        loop {
            sleep(ROUND);
            let found = self.found(&has_ended);
            if found.is_some() || begin.elapsed() >= patience {
                return found;
            }
            let all: Vec<usize> = (0..self.questions.len()).collect();
            self.ask(&all);
        }
    }

    fn named(&mut self, number: usize, mac: [u8; 6]) -> InUse {
        let question = &self.questions[number];
        let found = &self.devices[question.device].link;
        let port = neighbour::port_of(&mut self.socket, found.index, mac);
        let links = port.and_then(|port| Some((port, link::list(&mut self.socket).ok()?)));
        let port = links.and_then(|(port, links)| links.into_iter().find(|link| link.index == port));
        InUse {
            address: question.address,
            device: found.name.clone(),
            mac: Some(mac),
            is_ours: port.as_ref().is_some_and(Found::is_ours),
            port: port.map(|port| port.name),
        }
    }
}

impl Drop for Asked {
    /// Nothing stays in the host's table of who did not answer.
    fn drop(&mut self) {
        let silent = self.questions.iter().filter(|question| !question.answered);
        let forget = |question: &Question| match question.address {
            IpAddr::V4(v4) => Some(neighbour::forget(self.devices[question.device].link.index, v4)),
            IpAddr::V6(_) => None,
        };
        let requests: Vec<_> = silent.filter_map(forget).collect();
        let _ = self.socket.run(&requests);
    }
}

/// The link of the host on whose wire it is. What shares its parent's Ethernet address, or is a card that the host gives
/// away, is asked for by nobody.
fn device(link: &Link) -> Option<&str> {
    match &link.kind {
        LinkKind::Bridge(port) => Some(&port.bridge),
        LinkKind::Macvlan { parent } => Some(parent),
        LinkKind::Ipvlan { .. } | LinkKind::Device { .. } => None,
    }
}
