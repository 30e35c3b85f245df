//! epoll(7): which of many descriptors has something to say.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::error::{Context, Result};

/// How many are told of at once.
const BATCH: usize = 256;

/// A set of descriptors, each with a number of its own.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    /// Of nothing.
    pub fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).context("cannot wait for many")?;
        Ok(Self { epoll, events: Vec::with_capacity(BATCH) })
    }

    /// Tells of it as long as there is something to read.
    pub fn add_level(&self, fd: impl AsFd, number: u64) -> Result<()> {
        epoll::add(&self.epoll, fd, EventData::new_u64(number), EventFlags::IN).context("cannot wait for a socket")
    }

    /// Tells of it each time that something can be read or written which could not before.
    pub fn add_edge(&self, fd: impl AsFd, number: u64) -> rustix::io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, fd, EventData::new_u64(number), flags)
    }

    /// Tells of it no more.
    pub fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// The numbers of those that have something; none when the time is over.
    pub fn wait(&mut self, most: Option<Duration>) -> Result<Vec<u64>> {
        let timeout = most.map(|most| Timespec {
            tv_sec: i64::try_from(most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: most.subsec_nanos().into(),
        });
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), timeout.as_ref()) {
            Err(Errno::INTR) => Ok(Vec::new()),
            other => {
                other.context("cannot wait for sockets")?;
                Ok(self.events.iter().map(|event| event.data.u64()).collect())
            }
        }
    }
}
