//! Datagrams: a socket of its own into the container for each client, so that answers find their way back.

use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with};

use super::inside::{self, Payload};
use super::poll::Poll;
use super::{End, IDLE};
use crate::error::Result;
use crate::plan::Publish;

/// Clients at one time; a new one takes the place of who has been silent longest.
const MOST: usize = 4096;
/// The largest that UDP can carry.
const LARGEST: usize = 65_536;
/// One socket is served so often before the others have their turn.
const TURN: usize = 64;
/// How long to wait before a payload that does not listen yet is asked again.
const AGAIN: Duration = Duration::from_millis(50);

const PAYLOAD: u64 = 0;
const LISTENERS: u64 = 1;
const CLIENTS: u64 = 1 << 16;

/// Who asked, and which address of the host: an answer from another one would be nobody's.
type Key = (u64, SocketAddr, Option<IpAddr>);

/// All clients of one published port.
pub struct Relay<'a> {
    port: &'a Publish,
    payload: &'a Payload,
    listeners: &'a [OwnedFd],
    poll: Poll,
    clients: HashMap<u64, Client>,
    numbers: HashMap<Key, u64>,
    next: u64,
    idle: Instant,
    buffer: Vec<u8>,
}

struct Client {
    key: Key,
    socket: OwnedFd,
    /// The next to be tried, the last one first.
    rest: Vec<SocketAddr>,
    /// The last question, until there is an answer.
    question: Option<Vec<u8>>,
    /// When to ask it again, because nobody listens yet.
    again: Option<Instant>,
    heard: Instant,
}

impl<'a> Relay<'a> {
    /// Takes the sockets that PID 1 waits with.
    pub fn new(port: &'a Publish, payload: &'a Payload, listeners: &'a [OwnedFd]) -> Result<Self> {
        let poll = Poll::new()?;
        poll.add_level(payload.end(), PAYLOAD)?;
        for (number, listener) in (LISTENERS..).zip(listeners) {
            poll.add_level(listener, number)?;
        }
        let (clients, numbers, buffer) = (HashMap::new(), HashMap::new(), vec![0; LARGEST]);
        Ok(Self { port, payload, listeners, poll, clients, numbers, next: CLIENTS, idle: Instant::now(), buffer })
    }

    /// Until the container has ended, or nobody has asked for a while.
    pub fn run(mut self) -> Result<End> {
        loop {
            let soon = self.clients.values().any(|client| client.again.is_some());
            let numbers = self.poll.wait(Some(if soon { AGAIN } else { Duration::from_secs(1) }))?;
            if numbers.contains(&PAYLOAD) {
                return Ok(End::Container);
            }
            for number in numbers {
                match number {
                    CLIENTS.. => self.answer(number),
                    listener => self.ask(listener),
                }
            }
            self.ask_again();
            self.forget_silent();
            if self.clients.is_empty() && self.idle.elapsed() >= self.port.idle_stop.unwrap_or(IDLE) {
                return Ok(End::Idle);
            }
        }
    }

    /// From clients to the payload.
    fn ask(&mut self, listener: u64) {
        let Some(socket) = usize::try_from(listener - LISTENERS).ok().and_then(|at| self.listeners.get(at)) else {
            return;
        };
        for _ in 0..TURN {
            let Some((length, client, asked)) = receive(socket, &mut self.buffer) else { return };
            self.idle = Instant::now();
            let Some(number) = self.number((listener, client, asked)) else { continue };
            let Some(client) = self.clients.get_mut(&number) else { continue };
            let question = &self.buffer[..length];
            client.heard = Instant::now();
            // Only who may not be listening yet is asked twice.
            client.question = self.payload.is_young().then(|| question.to_vec());
            if send(&client.socket, question, SendFlags::NOSIGNAL) == Err(Errno::CONNREFUSED) {
                // That was the answer to the one before.
                let _ = send(&client.socket, question, SendFlags::NOSIGNAL);
            }
        }
    }

    /// From the payload to one client.
    fn answer(&mut self, number: u64) {
        for _ in 0..TURN {
            let Some(client) = self.clients.get_mut(&number) else { return };
            match recv(&client.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    client.question = None;
                    client.heard = Instant::now();
                    let (listener, to, from) = client.key;
                    let socket = usize::try_from(listener - LISTENERS).ok().and_then(|at| self.listeners.get(at));
                    if let Some(socket) = socket {
                        reply(socket, &self.buffer[..length], to, from);
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::CONNREFUSED) => return self.refused(number),
                Err(_) => return self.forget(number),
            }
        }
    }

    /// Nobody listens at that address: the next one, and after the last the first again, later.
    fn refused(&mut self, number: u64) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        if client.question.is_none() {
            return self.forget(number);
        }
        client.again = Some(Instant::now() + if client.rest.is_empty() { AGAIN } else { Duration::ZERO });
    }

    fn ask_again(&mut self) {
        let due = |client: &Client| client.again.is_some_and(|when| when <= Instant::now());
        let numbers: Vec<u64> = self.clients.iter().filter(|(_, one)| due(one)).map(|(number, _)| *number).collect();
        for number in numbers {
            let Some(mut client) = self.clients.remove(&number) else { continue };
            self.poll.remove(&client.socket);
            let mut rest = std::mem::take(&mut client.rest);
            if rest.is_empty() {
                rest = self.targets();
            }
            let opened = rest.pop().and_then(|target| self.open(number, target));
            match (opened, client.question.as_ref()) {
                (Some(socket), Some(question)) => {
                    let _ = send(&socket, question, SendFlags::NOSIGNAL);
                    let question = client.question.filter(|_| self.payload.is_young());
                    self.clients.insert(number, Client { socket, rest, question, again: None, ..client });
                }
                _ => drop(self.numbers.remove(&client.key)),
            }
        }
    }

    /// The client's number; a new one for who has not been here.
    fn number(&mut self, key: Key) -> Option<u64> {
        if let Some(number) = self.numbers.get(&key) {
            return Some(*number);
        }
        if self.clients.len() >= MOST {
            let longest = self.clients.iter().min_by_key(|(_, client)| client.heard).map(|(number, _)| *number);
            longest.into_iter().for_each(|number| self.forget(number));
        }
        let number = self.next;
        let mut rest = self.targets();
        let socket = self.open(number, rest.pop()?)?;
        self.next += 1;
        self.numbers.insert(key, number);
        let client = Client { key, socket, rest, question: None, again: None, heard: Instant::now() };
        self.clients.insert(number, client);
        Some(number)
    }

    fn targets(&self) -> Vec<SocketAddr> {
        let mut targets = inside::targets(self.port.to);
        targets.reverse();
        targets
    }

    fn open(&self, number: u64, target: SocketAddr) -> Option<OwnedFd> {
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::DGRAM, flags, None).ok()?;
        connect(&socket, &target).ok()?;
        self.poll.add_level(&socket, number).ok()?;
        Some(socket)
    }

    fn forget(&mut self, number: u64) {
        if let Some(client) = self.clients.remove(&number) {
            self.numbers.remove(&client.key);
        }
    }

    fn forget_silent(&mut self) {
        let silent = |client: &Client| client.heard.elapsed() >= IDLE;
        let numbers: Vec<u64> = self.clients.iter().filter(|(_, one)| silent(one)).map(|(number, _)| *number).collect();
        numbers.into_iter().for_each(|number| self.forget(number));
    }
}

/// A datagram, from whom, and to which of our addresses where the socket is bound to all of them.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<(usize, SocketAddr, Option<IpAddr>)> {
    let mut space = cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_DONTWAIT);
    let message = message.ok()?;
    let asked = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(IpAddr::V4(u32::from_be(info.ipi_addr.s_addr).into())),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(info.ipi6_addr.s6_addr.into())),
        _ => None,
    });
    let client = message.address?;
    let client = client
        .as_sockaddr_in()
        .map(|address| SocketAddr::V4((*address).into()))
        .or_else(|| client.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))?;
    Some((message.bytes, client, asked))
}

/// What cannot be sent now is lost, as UDP has it.
fn reply(socket: &OwnedFd, answer: &[u8], to: SocketAddr, from: Option<IpAddr>) {
    let v4 = |address: std::net::Ipv4Addr| libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr { s_addr: u32::from(address).to_be() },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    let v6 = |address: std::net::Ipv6Addr| libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
        ipi6_ifindex: 0,
    };
    let (slices, to) = ([IoSlice::new(answer)], SockaddrStorage::from(to));
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let _ = match from {
        Some(IpAddr::V4(address)) => {
            sendmsg(socket.as_raw_fd(), &slices, &[ControlMessage::Ipv4PacketInfo(&v4(address))], flags, Some(&to))
        }
        Some(IpAddr::V6(address)) => {
            sendmsg(socket.as_raw_fd(), &slices, &[ControlMessage::Ipv6PacketInfo(&v6(address))], flags, Some(&to))
        }
        None => sendmsg(socket.as_raw_fd(), &slices, &[], flags, Some(&to)),
    };
}
