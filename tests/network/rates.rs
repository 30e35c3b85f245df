//! How fast a link may be, measured by what goes through it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use super::{address, become_host, bridge, link, plug, within};

const AMOUNT: usize = 4 << 20;
const RATE: u64 = 2 << 20;

/// How long it takes to send so much.
fn transfer(from: &OwnedFd, to: &OwnedFd, target: &str) -> Duration {
    let listener = within(to, || TcpListener::bind(SocketAddr::new(address(target), 0)).unwrap());
    let target = listener.local_addr().unwrap();
    let sender = within(from, || TcpStream::connect(target).unwrap());
    let begin = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut sender = sender;
            sender.write_all(&vec![1; AMOUNT]).unwrap();
        });
        let mut all = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), AMOUNT);
    });
    begin.elapsed()
}

#[test]
#[ignore = "rung 1: needs root"]
fn a_rate_holds_each_way_and_only_that_way() {
    let host = become_host();
    bridge();
    let with = |number: u8, rate_in: Option<u64>, rate_out: Option<u64>| {
        let mut link = link(number, &[&format!("10.88.0.{number}/24")]);
        (link.rate_in, link.rate_out) = (rate_in, rate_out);
        plug(&link)
    };
    let (inwards, outwards) = (with(2, Some(RATE), None), with(3, None, Some(RATE)));
    // What the bucket holds at first goes at once. A slow machine is slower still, and never faster than the rate.
    let least = Duration::from_secs_f64((AMOUNT - (1 << 19)) as f64 / RATE as f64);
    let held = [transfer(&host, &inwards, "10.88.0.2"), transfer(&outwards, &host, "10.88.0.1")];
    let free = [transfer(&inwards, &host, "10.88.0.1"), transfer(&host, &outwards, "10.88.0.3")];
    for (held, free) in held.into_iter().zip(free) {
        assert!(held > least, "{AMOUNT} bytes at {RATE}/s took {held:?}");
        assert!(free * 2 < held, "the other way took {free:?}, this one {held:?}");
    }
}
