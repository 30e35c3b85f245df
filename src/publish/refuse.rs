//! Sending away who is waiting, when nobody can be served.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, SocketFlags, accept_with, recv, sockopt};
use rustix::time::Timespec;

/// systemd gives up a socket whose service it had to start twenty times in two seconds.
const HOLD: Duration = Duration::from_millis(500);

/// Resets every connection that waits, drops every datagram, for a while.
pub fn all(sockets: &[OwnedFd]) {
    let until = Instant::now() + HOLD;
    loop {
        sockets.iter().for_each(one);
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let mut waiting: Vec<_> = sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        let _ = poll(&mut waiting, Some(&Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() }));
    }
}

fn one(socket: &OwnedFd) {
    while let Ok(connection) = accept_with(socket, SocketFlags::CLOEXEC) {
        reset(connection);
    }
    let mut nothing = [0_u8; 0];
    while recv(socket, &mut nothing, RecvFlags::DONTWAIT).is_ok() {}
}

/// Closes a connection so that the other side hears of it as a failure.
pub fn reset(connection: OwnedFd) {
    let _ = sockopt::set_socket_linger(&connection, Some(Duration::ZERO));
}
