//! The signals of one unit, subscribed to before anything is asked of it, so that none is missed.

use std::collections::HashMap;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

// zbus hands its signals out as streams of this trait and re-exports it only here; a dependency of our own on the
// same crate would buy one method call.
use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::{MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant};

use super::bus::{Bus, MANAGER, SERVICE, UNIT};
use super::ended::{Code, Ended};
use super::escape::unit_path;
use super::failure::Failure;

/// What the signals have told so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// ActiveState; empty before the first signal.
    pub(super) active: String,
    /// Some process was MainPID and has ended.
    pub(super) code: Code,
    pub(super) status: i32,
    pub(super) result: String,
    /// What the service said last through STATUS=.
    pub(super) text: String,
    /// And through ERRNO=.
    pub(super) errno: i32,
}

impl Seen {
    /// PropertiesChanged carries the value of every property that is marked so, not only of the changed one.
    fn apply(&mut self, interface: &str, changed: &HashMap<String, OwnedVariant>) {
        let text = |name: &str| changed.get(name).and_then(|value| <&str>::try_from(value).ok()).map(str::to_owned);
        let number = |name: &str| changed.get(name).and_then(|value| i32::try_from(value).ok());
        if interface == UNIT {
            self.active = text("ActiveState").unwrap_or_default();
        } else if interface == SERVICE {
            self.result = text("Result").unwrap_or_default();
            self.text = text("StatusText").unwrap_or_default();
            self.errno = number("StatusErrno").unwrap_or_default();
            self.code = Code::from_wait(number("ExecMainCode").unwrap_or_default());
            self.status = number("ExecMainStatus").unwrap_or_default();
        }
    }

    /// How it ended, when the last signal said that it is over.
    pub(super) fn ended(&self) -> Option<Ended> {
        matches!(self.active.as_str(), "inactive" | "failed").then(|| Ended {
            result: self.result.clone(),
            code: self.code,
            status: self.status,
        })
    }
}

/// One signal.
#[derive(Debug)]
pub(super) enum Event {
    /// A job of the unit is over: its path and result.
    Job(OwnedObjectPath, String),
    /// [`Watch::seen`] is newer.
    Changed,
}

/// A subscription to everything that happens to one unit.
pub(super) struct Watch {
    changes: MessageStream,
    jobs: MessageStream,
    /// systemd comes and goes on the bus while it re-executes; on its private socket, the connection ends.
    owner: Option<MessageStream>,
    pub(super) seen: Seen,
}

impl Watch {
    pub(super) async fn new(bus: &Bus, unit: &str) -> Result<Self, Failure> {
        let rule = || MatchRule::builder().msg_type(Type::Signal);
        let changes =
            rule().interface("org.freedesktop.DBus.Properties").member("PropertiesChanged").path(unit_path(unit));
        let jobs = rule().interface(MANAGER).member("JobRemoved").arg(2, unit);
        let owner =
            rule().interface("org.freedesktop.DBus").member("NameOwnerChanged").add_arg("org.freedesktop.systemd1");
        let owner = if bus.private { None } else { Some(stream(bus, owner.build()?).await?) };
        Ok(Self {
            changes: stream(bus, changes.build()?).await?,
            jobs: stream(bus, jobs.build()?).await?,
            owner,
            seen: Seen::default(),
        })
    }

    /// The next signal. What happened to the unit before its job ended is in [`Watch::seen`] when the job's end is
    /// returned, as PID 1 sends it first (bus_job_send_removed_signal).
    pub(super) async fn next(&mut self) -> Result<Event, Failure> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Event, Failure>> {
        if let Some(owner) = &mut self.owner
            && Pin::new(owner).poll_next(context).is_ready()
        {
            return Poll::Ready(Err(Failure::Lost("systemd left the bus".to_owned())));
        }
        if let Poll::Ready(message) = Pin::new(&mut self.changes).poll_next(context) {
            return Poll::Ready(received(message).and_then(|message| {
                let body = message.body();
                let (interface, changed, _): (&str, HashMap<String, OwnedVariant>, Vec<&str>) = body.deserialize()?;
                self.seen.apply(interface, &changed);
                Ok(Event::Changed)
            }));
        }
        let Poll::Ready(message) = Pin::new(&mut self.jobs).poll_next(context) else { return Poll::Pending };
        Poll::Ready(received(message).and_then(|message| {
            let (_, job, _, result): (u32, OwnedObjectPath, String, String) = message.body().deserialize()?;
            Ok(Event::Job(job, result))
        }))
    }

    /// Waits until a job is over and returns its result, telling each new status text on the way.
    pub(super) async fn job(&mut self, job: &OwnedObjectPath, tell: &dyn Fn(&str)) -> Result<String, Failure> {
        let mut told = String::new();
        loop {
            match self.next().await? {
                Event::Job(path, result) if path == *job => return Ok(result),
                Event::Changed if self.seen.text != told => {
                    told.clone_from(&self.seen.text);
                    tell(&told);
                }
                Event::Job(..) | Event::Changed => {}
            }
        }
    }
}

pub(super) async fn stream(bus: &Bus, rule: MatchRule<'_>) -> Result<MessageStream, Failure> {
    // A full queue stops the connection's reader, and with it the reply that we may be waiting for instead.
    let capacity = NonZeroUsize::new(1024);
    Ok(MessageStream::for_match_rule(rule.into_owned(), &bus.connection, capacity).await?)
}

pub(super) fn received(message: Option<zbus::Result<Message>>) -> Result<Message, Failure> {
    match message {
        Some(message) => Ok(message?),
        None => Err(Failure::Lost("systemd closed the connection".to_owned())),
    }
}
