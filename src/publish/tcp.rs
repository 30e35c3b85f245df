//! Connections.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept_with, connect, socket_with, sockopt};

use super::inside::{self, Payload};
use super::pipe::{Flow, Spare, Turn};
use super::poll::Poll;
use super::{End, IDLE, proxy_line, refuse};
use crate::error::Result;
use crate::plan::Publish;

/// Two descriptors each, and pipes for those that move bytes: far below LimitNOFILE= of the unit.
const MOST: usize = 16_000;
/// How long after the container's end its last words may take to a slow client.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long to wait before a payload that does not listen yet is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// Numbers of descriptors that are no connections.
const PAYLOAD: u64 = 0;
const LISTENERS: u64 = 1;
/// The first connection has this number and the next; the even one is the client's end, the odd one the payload's.
const CONNECTIONS: u64 = 1 << 16;

/// All connections of one published port.
pub struct Relay<'a> {
    port: &'a Publish,
    payload: &'a Payload,
    listeners: &'a [OwnedFd],
    poll: Poll,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    /// Those that have more to move than a turn allows.
    more: VecDeque<u64>,
    /// Those whose payload does not listen yet, and when to ask it again.
    again: VecDeque<(Instant, u64)>,
    spare: Spare,
    accepting: bool,
    /// The container has.
    ended: bool,
    /// Since when there has been no connection.
    idle: Instant,
    /// How long that may be.
    most_idle: Duration,
}

struct Connection {
    client: OwnedFd,
    payload: Side,
    up: Flow,
    down: Flow,
}

/// The way into the container.
enum Side {
    /// To be tried, the last one first.
    Untried(Vec<SocketAddr>),
    Connecting(OwnedFd, Vec<SocketAddr>),
    Open(OwnedFd),
}

impl<'a> Relay<'a> {
    /// Takes the sockets that PID 1 listens with; they are shared with it, and nonblocking.
    pub fn new(port: &'a Publish, payload: &'a Payload, listeners: &'a [OwnedFd]) -> Result<Self> {
        let poll = Poll::new()?;
        poll.add_level(payload.end(), PAYLOAD)?;
        let mut relay = Self {
            port,
            payload,
            listeners,
            poll,
            connections: BTreeMap::new(),
            next: CONNECTIONS,
            more: VecDeque::new(),
            again: VecDeque::new(),
            spare: Spare::default(),
            accepting: false,
            ended: false,
            idle: Instant::now(),
            most_idle: port.idle_stop.unwrap_or(IDLE),
        };
        relay.accept_more(true)?;
        Ok(relay)
    }

    /// Until the container has ended, or nobody has been connected for a while.
    pub fn run(mut self) -> Result<End> {
        loop {
            let numbers = self.poll.wait(Some(self.patience()))?;
            if numbers.contains(&PAYLOAD) {
                // Whoever is still to be let in is for the one that comes after us.
                return self.finish().map(|()| End::Container);
            }
            for number in numbers {
                match number {
                    CONNECTIONS.. => self.turn(number & !1),
                    listener => self.accept(listener),
                }
            }
            self.take_turns();
            if self.connections.is_empty() && self.idle.elapsed() >= self.most_idle {
                return Ok(End::Idle);
            }
        }
    }

    /// The container has ended: what it has said before still gets to whoever reads it at once.
    fn finish(mut self) -> Result<()> {
        self.accept_more(false)?;
        self.ended = true;
        self.poll.remove(self.payload.end());
        let until = Instant::now() + LAST_WORDS;
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.turn(number));
        while !self.connections.is_empty() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            let left = if self.more.is_empty() { left } else { Duration::ZERO };
            for number in self.poll.wait(Some(left))? {
                if number >= CONNECTIONS {
                    self.turn(number & !1);
                }
            }
            self.take_turns();
        }
        std::mem::take(&mut self.connections).into_values().for_each(|connection| refuse::reset(connection.client));
        Ok(())
    }

    fn patience(&self) -> Duration {
        if !self.more.is_empty() {
            return Duration::ZERO;
        }
        let idle = self.most_idle.saturating_sub(self.idle.elapsed());
        let again = self.again.front().map(|(when, _)| when.saturating_duration_since(Instant::now()));
        let again = again.unwrap_or(Duration::from_secs(3600));
        if self.connections.is_empty() { idle.min(again) } else { again }
    }

    fn take_turns(&mut self) {
        for number in std::mem::take(&mut self.more) {
            self.turn(number);
        }
        while self.again.front().is_some_and(|(when, _)| *when <= Instant::now()) {
            let Some((_, number)) = self.again.pop_front() else { break };
            self.turn(number);
        }
    }

    fn accept_more(&mut self, accepting: bool) -> Result<()> {
        if self.accepting != accepting && !self.ended {
            self.accepting = accepting;
            for (number, listener) in (LISTENERS..).zip(self.listeners) {
                match accepting {
                    true => self.poll.add_level(listener, number)?,
                    false => self.poll.remove(listener),
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, listener: u64) {
        let listener = usize::try_from(listener - LISTENERS).ok().and_then(|index| self.listeners.get(index));
        let Some(listener) = listener else { return };
        // A bound, so that those who are here already have their turn.
        for _ in 0..64 {
            if self.connections.len() >= MOST {
                let _ = self.accept_more(false);
                return;
            }
            match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(client) => self.begin(client),
                Err(Errno::AGAIN) => return,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => {
                    // Nothing but an end makes room.
                    if !self.connections.is_empty() {
                        let _ = self.accept_more(false);
                    }
                    std::thread::sleep(Duration::from_millis(10));
                    return;
                }
                // One that has gone already.
                Err(_) => {}
            }
        }
    }

    fn begin(&mut self, client: OwnedFd) {
        for_interactive(&client);
        // A client whose machine has lost its power must not keep the port busy for ever.
        let _ = sockopt::set_socket_keepalive(&client, true);
        let _ = sockopt::set_tcp_keepidle(&client, Duration::from_secs(120));
        let mut up = Flow::default();
        if self.port.proxy_protocol {
            let line = || Some(proxy_line::line(peer(&client)?, own(&client)?));
            let begun = line().is_some_and(|line| up.begin_with(line.as_bytes(), &mut self.spare).is_ok());
            if !begun {
                return refuse::reset(client);
            }
        }
        let number = self.next;
        self.next += 2;
        if self.poll.add_edge(&client, number).is_err() {
            return refuse::reset(client);
        }
        let payload = Side::Untried(self.targets());
        self.connections.insert(number, Connection { client, payload, up, down: Flow::default() });
        self.turn(number);
    }

    fn targets(&self) -> Vec<SocketAddr> {
        let mut targets = inside::targets(self.port.to);
        targets.reverse();
        targets
    }

    /// Does for a connection what can be done now.
    fn turn(&mut self, number: u64) {
        let Some(mut connection) = self.connections.remove(&number) else { return };
        match self.attempt(number, &mut connection) {
            // Both ends, in this order: the client is to learn what became of the payload's.
            Ok(()) if connection.up.done && connection.down.done => drop(connection),
            Ok(()) => {
                self.connections.insert(number, connection);
                return;
            }
            Err(_) => {
                if let Side::Open(payload) = connection.payload {
                    refuse::reset(payload);
                }
                refuse::reset(connection.client);
            }
        }
        self.idle = Instant::now();
        let _ = self.accept_more(true);
    }

    fn attempt(&mut self, number: u64, connection: &mut Connection) -> Result<(), Errno> {
        if !self.reach(number, &mut connection.payload)? {
            return if self.ended { Err(Errno::CONNREFUSED) } else { Ok(()) };
        }
        let Side::Open(payload) = &connection.payload else { return Ok(()) };
        let up = connection.up.turn(&connection.client, payload, &mut self.spare)?;
        let down = connection.down.turn(payload, &connection.client, &mut self.spare)?;
        if [up, down].contains(&Turn::More) {
            self.more.push_back(number);
        }
        Ok(())
    }

    /// Whether the way into the container is open.
    fn reach(&mut self, number: u64, side: &mut Side) -> Result<bool, Errno> {
        loop {
            match std::mem::replace(side, Side::Untried(Vec::new())) {
                Side::Open(socket) => {
                    *side = Side::Open(socket);
                    return Ok(true);
                }
                Side::Connecting(socket, rest) => match sockopt::socket_error(&socket)? {
                    Ok(()) if rustix::net::getpeername(&socket).is_ok() => {
                        for_interactive(&socket);
                        *side = Side::Open(socket);
                    }
                    Ok(()) => {
                        *side = Side::Connecting(socket, rest);
                        return Ok(false);
                    }
                    Err(_) => *side = self.next_or_again(number, rest)?,
                },
                Side::Untried(mut targets) => {
                    let Some(target) = targets.pop() else {
                        // Waiting for the payload to listen; a client that speaks meanwhile changes nothing.
                        if self.again.iter().any(|(_, other)| *other == number) {
                            return Ok(false);
                        }
                        *side = Side::Untried(self.targets());
                        continue;
                    };
                    *side = self.try_target(number, target, targets)?;
                }
            }
            if matches!(side, Side::Untried(rest) if rest.is_empty()) {
                return Ok(false);
            }
        }
    }

    fn try_target(&mut self, number: u64, target: SocketAddr, rest: Vec<SocketAddr>) -> Result<Side, Errno> {
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        match connect(&socket, &target) {
            Ok(()) | Err(Errno::INPROGRESS) => {
                self.poll.add_edge(&socket, number | 1)?;
                Ok(Side::Connecting(socket, rest))
            }
            Err(_) => self.next_or_again(number, rest),
        }
    }

    /// After the last one the first again, as long as the payload may be about to listen.
    fn next_or_again(&mut self, number: u64, rest: Vec<SocketAddr>) -> Result<Side, Errno> {
        if rest.is_empty() {
            if !self.payload.is_young() {
                return Err(Errno::CONNREFUSED);
            }
            self.again.push_back((Instant::now() + AGAIN, number));
        }
        Ok(Side::Untried(rest))
    }
}

/// Small pieces go at once, as they came.
fn for_interactive(socket: impl AsFd) {
    let _ = sockopt::set_tcp_nodelay(socket, true);
}

fn peer(socket: &OwnedFd) -> Option<SocketAddr> {
    rustix::net::getpeername(socket).ok()??.try_into().ok()
}

fn own(socket: &OwnedFd) -> Option<SocketAddr> {
    rustix::net::getsockname(socket).ok()?.try_into().ok()
}
