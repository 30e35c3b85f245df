//! What happens to units, for as long as somebody wants to know.

use std::collections::HashMap;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::poll::PollFlags;
use zbus::export::futures_core::Stream;
use zbus::message::{Sequence, Type};
use zbus::runtime::IoSource;
use zbus::{MatchRule, Message, MessageStream, OwnedVariant};

use super::bus::{Bus, SERVICE, UNIT};
use super::ended::Code;
use super::escape::unit_of;
use super::failure::Failure;
use super::manager::BACK_OFF;
use super::status::matching_at;
use super::watch::{received, stream};
use crate::error::Result;

/// What one signal, or a question, says of a unit; nothing of what is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Microseconds since 1970, when the unit came into its state.
    pub at: Option<u64>,
    /// ActiveState; signals of the service alone have none.
    pub active: Option<String>,
    /// SubState.
    pub sub: String,
    /// A job is queued or runs.
    pub job: bool,
    /// Which start it is.
    pub invocation: Vec<u8>,
    /// Of the service: Result; signals of the unit alone have none.
    pub result: Option<String>,
    /// How its main process has ended.
    pub code: Code,
    /// With what.
    pub status: i32,
    /// How often systemd has restarted it.
    pub restarts: Option<u32>,
}

impl Change {
    fn read(interface: &str, changed: &HashMap<String, OwnedVariant>) -> Self {
        let value = |name: &str| changed.get(name);
        let text = |name: &str| value(name).and_then(|value| <&str>::try_from(value).ok()).map(str::to_owned);
        let number = |name: &str| value(name).and_then(|value| i32::try_from(value).ok());
        let bytes = |name: &str| value(name)?.try_clone().ok().and_then(|value| Vec::<u8>::try_from(value).ok());
        match interface {
            UNIT => Self {
                at: value("StateChangeTimestamp").and_then(|value| u64::try_from(value).ok()).filter(|at| *at > 0),
                active: text("ActiveState"),
                sub: text("SubState").unwrap_or_default(),
                job: value("Job").is_some_and(has_job),
                invocation: bytes("InvocationID").unwrap_or_default(),
                ..Self::default()
            },
            SERVICE => Self {
                result: text("Result"),
                code: Code::from_wait(number("ExecMainCode").unwrap_or_default()),
                status: number("ExecMainStatus").unwrap_or_default(),
                restarts: value("NRestarts").and_then(|value| u32::try_from(value).ok()),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

/// (uo): its number, 0 for none, and its path.
fn has_job(value: &OwnedVariant) -> bool {
    let job = value.try_clone().ok().and_then(|value| <(u32, zbus::OwnedObjectPath)>::try_from(value).ok());
    job.is_some_and(|(id, _)| id != 0)
}

/// A descriptor that ends the wait too, when one of the events has come to it, an error, or a hang-up.
#[derive(Debug)]
pub struct Wake {
    source: IoSource,
    events: PollFlags,
}

impl Wake {
    /// When there is something to read.
    pub fn readable(fd: OwnedFd) -> Self {
        Self { source: fd.into(), events: PollFlags::POLLIN }
    }

    /// When whoever reads at the other end has gone.
    pub fn hung_up(fd: OwnedFd) -> Self {
        Self { source: fd.into(), events: PollFlags::empty() }
    }
}

/// What has come.
#[derive(Debug)]
pub enum News {
    /// To a unit.
    Unit(String, Change),
    /// To one of the descriptors, by its index.
    Woken(usize),
    /// systemd executes itself anew, or the bus was restarted: begin again.
    Lost,
}

/// A subscription to all units.
pub struct Follow {
    changes: MessageStream,
    /// systemd comes and goes on the bus while it re-executes; on its private socket, the connection ends.
    owner: Option<MessageStream>,
    /// Signals from before this are of a past that is known better.
    since: Sequence,
    // After the streams, whose signals come over it.
    bus: Bus,
}

impl Follow {
    /// Listens, and then asks how the units are whose names match a pattern: nothing is missed between the two.
    pub fn begin(pattern: &str) -> Result<(Self, Vec<(String, Change)>)> {
        let mut waits = BACK_OFF.into_iter();
        loop {
            let failure = match Self::open(pattern) {
                Ok(begun) => return Ok(begun),
                Err(failure @ Failure::Lost(_)) => failure,
                Err(failure) => return Err(failure.into()),
            };
            let Some(wait) = waits.next() else { return Err(failure.into()) };
            std::thread::sleep(Duration::from_millis(wait));
        }
    }

    fn open(pattern: &str) -> Result<(Self, Vec<(String, Change)>), Failure> {
        let bus = Bus::open_shared()?;
        let (changes, owner, (units, since)) = bus.block_on(async {
            let rule = || MatchRule::builder().msg_type(Type::Signal);
            let changes = rule().interface("org.freedesktop.DBus.Properties").member("PropertiesChanged");
            let changes = changes.path_namespace("/org/freedesktop/systemd1/unit");
            // Anybody may send a signal over the bus; on the private socket there is nobody else.
            let changes = if bus.private { changes } else { changes.sender("org.freedesktop.systemd1") };
            let changes = stream(&bus, changes.build()?).await?;
            let owner = rule().interface("org.freedesktop.DBus").member("NameOwnerChanged");
            let owner = owner.add_arg("org.freedesktop.systemd1").build()?;
            let owner = if bus.private { None } else { Some(stream(&bus, owner).await?) };
            Ok::<_, Failure>((changes, owner, units(&bus, pattern).await?))
        })?;
        Ok((Self { changes, owner, since, bus }, units))
    }

    /// Waits for what comes next.
    pub fn next(&mut self, wakes: &[Wake]) -> Result<News> {
        let Self { changes, owner, since, bus } = self;
        let runtime = bus.runtime();
        let poll = |context: &mut Context<'_>| {
            if owner.as_mut().is_some_and(|owner| Pin::new(owner).poll_next(context).is_ready()) {
                return Poll::Ready(Ok(News::Lost));
            }
            while let Poll::Ready(message) = Pin::new(&mut *changes).poll_next(context) {
                match received(message).and_then(|message| news(&message, *since)) {
                    Ok(Some(news)) => return Poll::Ready(Ok(news)),
                    Ok(None) => {}
                    Err(failure) => return Poll::Ready(Err(failure)),
                }
            }
            // All of them are asked, so that each of them wakes this.
            let woken: Vec<bool> =
                wakes.iter().map(|wake| runtime.poll_events(&wake.source, wake.events, context)).collect();
            woken.iter().position(|woken| *woken).map_or(Poll::Pending, |index| Poll::Ready(Ok(News::Woken(index))))
        };
        match bus.block_on(poll_fn(poll)) {
            Err(Failure::Lost(_)) => Ok(News::Lost),
            other => Ok(other?),
        }
    }
}

fn news(message: &Message, since: Sequence) -> Result<Option<News>, Failure> {
    if message.recv_position() < since {
        return Ok(None);
    }
    let Some(unit) = message.header().path().and_then(|path| unit_of(path.as_str())) else { return Ok(None) };
    let body = message.body();
    let (interface, changed, _): (&str, HashMap<String, OwnedVariant>, Vec<&str>) = body.deserialize()?;
    let known = [UNIT, SERVICE].contains(&interface);
    Ok(known.then(|| News::Unit(unit, Change::read(interface, &changed))))
}

/// How units are now. A few properties each: all of them would be half a millisecond a unit.
async fn units(bus: &Bus, pattern: &str) -> Result<(Vec<(String, Change)>, Sequence), Failure> {
    let mut units = Vec::new();
    let (found, at) = matching_at(bus, &[pattern]).await?;
    for status in found {
        let mut values = HashMap::new();
        for (interface, name) in [(UNIT, "InvocationID"), (SERVICE, "NRestarts")] {
            match bus.get(&status.name, interface, name).await {
                Ok(value) => drop(values.insert(name.to_owned(), value)),
                // Gone meanwhile, or not in this version.
                Err(Failure::NoSuchUnit(_) | Failure::NoSuchProperty) => {}
                Err(failure) => return Err(failure),
            }
        }
        let (unit, service) = (Change::read(UNIT, &values), Change::read(SERVICE, &values));
        let change = Change {
            active: Some(status.active),
            sub: status.sub,
            job: status.job.is_some(),
            restarts: service.restarts,
            ..unit
        };
        units.push((status.name, change));
    }
    Ok((units, at))
}
