//! StartTransientUnit, until the service is ready.

use std::cell::{Cell, RefCell};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use zbus::{Fd, OwnedObjectPath, Variant};

use super::bus::{Bus, SERVICE, UNIT};
use super::ended::{Code, Ended};
use super::failure::Failure;
use super::manager::Manager;
use super::status::snapshot;
use super::wait::until_over;
use super::watch::Watch;
use super::{job, outcome, value};
use crate::error::{Error, Exit, Result};
use crate::plan::{Unit, Value};

/// How a start is made.
#[derive(Default)]
pub struct Start<'a> {
    /// Properties of type h: StandardInputFileDescriptor and the like.
    pub fds: Vec<(&'a str, BorrowedFd<'a>)>,
    /// Transient units that it requires, made in the same call.
    pub beside: Vec<Unit>,
    /// Told each new STATUS= of the service until it is ready.
    pub progress: Option<&'a mut dyn FnMut(&str)>,
    /// What was started before was another one: an automatic restart of that is not joined.
    pub anew: bool,
    /// The caller waits for the end: a service that fails right after it was ready has started all the same.
    pub ends: bool,
}

/// A start that succeeded.
pub struct Started<'m> {
    manager: &'m Manager,
    unit: String,
    /// It never restarts by itself.
    once: bool,
    watch: Watch,
    // After the watch, whose signals come over it.
    bus: Bus,
    /// Another start of the same name was there first, and this one has waited for it.
    pub joined: bool,
}

impl Started<'_> {
    /// Waits for the end. The signals since before the start are kept, so even the exit status of a service that was
    /// gone before this call is known; call it at once, or drop this. None: the connection was lost and the unit went
    /// meanwhile.
    pub fn wait(mut self) -> Result<Option<Ended>> {
        match self.bus.block_on(until_over(&self.bus, &mut self.watch, &self.unit, self.once)) {
            Err(Failure::Lost(_)) => self.manager.wait(&self.unit),
            ended => Ok(ended?),
        }
    }
}

impl Manager {
    /// Starts a transient unit and waits until it is ready. A second start of one name waits for the first and shares
    /// its result; a failed unit of that name is reset first.
    pub fn start_transient(&self, unit: &Unit, start: Start<'_>) -> Result<Started<'_>> {
        let Start { fds, beside, progress, anew, ends } = start;
        let progress = RefCell::new(progress);
        let tell = |text: &str| progress.borrow_mut().iter_mut().for_each(|progress| progress(text));
        let accepted = Cell::new(false);
        let ((watch, joined), bus) = self.session(async |bus| {
            let watch = Watch::new(bus, &unit.name).await?;
            let mut starting =
                Starting { bus, unit, fds: &fds, beside: &beside, anew, ends, accepted: &accepted, watch, tell: &tell };
            let joined = starting.run().await?;
            Ok((starting.watch, joined))
        })?;
        let never = Value::Text("no".to_owned());
        let once = unit.properties.iter().any(|property| property.name == "Restart" && property.value == never);
        Ok(Started { manager: self, unit: unit.name.clone(), once, watch, bus, joined })
    }
}

/// One start, on one connection.
struct Starting<'a> {
    bus: &'a Bus,
    unit: &'a Unit,
    fds: &'a [(&'a str, BorrowedFd<'a>)],
    beside: &'a [Unit],
    anew: bool,
    ends: bool,
    /// StartTransientUnit was answered, on this connection or on one that broke since.
    accepted: &'a Cell<bool>,
    watch: Watch,
    tell: &'a dyn Fn(&str),
}

/// What was done about a unit that has the name already.
enum Way {
    /// It is up.
    Joined,
    /// It is gone, or about to be: try again.
    Clear,
}

impl Starting<'_> {
    /// Starts the unit, or joins another start of it, and says which.
    async fn run(&mut self) -> Result<bool, Failure> {
        // Something else may take the name again each time that it was cleared.
        for round in 0..20 {
            match self.call().await {
                Ok(job) => {
                    self.accepted.set(true);
                    self.finish(&job).await?;
                    return Ok(false);
                }
                Err(Failure::UnitExists(_)) => {
                    if let Way::Joined = self.make_way(round).await? {
                        return Ok(!self.accepted.get());
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        let message = format!("{} keeps being started and stopped", self.unit.name);
        Err(Failure::Final(Error::new(Exit::Busy, message)))
    }

    async fn call(&self) -> Result<OwnedObjectPath, Failure> {
        let mut properties = value::properties(&self.unit.properties);
        properties.extend(self.fds.iter().map(|(name, fd)| (*name, Variant::from(Fd::from(*fd)))));
        let beside = self.beside.iter().map(|unit| (unit.name.as_str(), value::properties(&unit.properties)));
        let aux: Vec<(&str, Vec<(&str, Variant<'_>)>)> = beside.collect();
        // As systemctl start does. What it replaces is the stop of a unit that is needed again, such as soute-log@.socket
        // a moment after its container has stopped; jobs of a shutdown cannot be replaced.
        self.bus.manager("StartTransientUnit", &(self.unit.name.as_str(), "replace", properties, aux)).await
    }

    async fn finish(&mut self, job: &OwnedObjectPath) -> Result<(), Failure> {
        let result = self.watch.job(job, self.tell).await?;
        if self.ends && result == "failed" && self.has_ended().await? {
            return Ok(());
        }
        outcome::judge(self.bus, &self.unit.name, &result, &self.watch.seen, self.ends).await
    }

    /// A payload may end before systemd has read that it was ready, and systemd calls that a failure of the start. For who
    /// waits for the end it has started; a start that failed for other reasons has said why in STATUS=.
    async fn has_ended(&mut self) -> Result<bool, Failure> {
        loop {
            if let Some(ended) = self.watch.seen.ended() {
                return Ok(ended.code != Code::None && self.watch.seen.text.is_empty());
            }
            self.watch.next().await?;
        }
    }

    /// Deals with a unit of the same name: joins its start, waits for its stop, clears away what is left of it.
    async fn make_way(&mut self, round: u32) -> Result<Way, Failure> {
        let name = self.unit.name.as_str();
        let status = snapshot(self.bus, name).await?;
        match (status.active.as_str(), status.job.as_deref()) {
            ("active" | "reloading" | "refreshing", None | Some("reload")) => Ok(Way::Joined),
            ("activating", None) if status.waits_to_restart() => self.end_restarts("fail").await,
            ("activating", Some("start" | "restart") | None) if self.anew && self.is_automatic().await? => {
                self.end_restarts("replace").await
            }
            (_, Some("start" | "restart" | "verify-active")) | ("activating", None) => self.join().await,
            ("failed", None) => {
                job::reset_failed(self.bus, name).await?;
                Ok(Way::Clear)
            }
            (_, Some(_)) | ("deactivating", _) => {
                self.watch.next().await?;
                Ok(Way::Clear)
            }
            _ if status.is_gone() => self.let_go_beside().await,
            // PID 1 collects what has ended a moment later.
            _ if round < 5 => {
                std::thread::sleep(Duration::from_millis(5));
                Ok(Way::Clear)
            }
            _ => unpin(self.bus, name).await,
        }
    }

    /// What it requires goes a moment after it has, unless somebody else keeps it.
    async fn let_go_beside(&mut self) -> Result<Way, Failure> {
        /// Far above what the stop of a socket takes on a busy host.
        const PATIENCE: Duration = Duration::from_secs(10);
        let begin = Instant::now();
        for unit in self.beside {
            loop {
                let status = snapshot(self.bus, &unit.name).await?;
                if status.is_gone() {
                    break;
                }
                if !snapshot(self.bus, &self.unit.name).await?.is_gone() {
                    // Somebody else was faster.
                    return Ok(Way::Clear);
                }
                if begin.elapsed() > PATIENCE && status.is_over() {
                    return unpin(self.bus, &unit.name).await;
                }
                if begin.elapsed() > PATIENCE {
                    return Err(Failure::Final(Error::new(Exit::Busy, format!("{} does not go", unit.name))));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(Way::Clear)
    }

    /// systemd has begun the start that goes on, and not somebody.
    async fn is_automatic(&self) -> Result<bool, Failure> {
        match self.bus.get(&self.unit.name, SERVICE, "NRestarts").await {
            Ok(count) => Ok(u32::try_from(&count).is_ok_and(|count| count > 0)),
            Err(Failure::NoSuchUnit(_)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// What waits for its automatic restart would start what was started before, and only then. A start that somebody else
    /// makes meanwhile is not stopped with the mode "fail".
    async fn end_restarts(&mut self, mode: &str) -> Result<Way, Failure> {
        match self.bus.manager::<OwnedObjectPath>("StopUnit", &(self.unit.name.as_str(), mode)).await {
            Ok(job) => drop(self.watch.job(&job, self.tell).await?),
            Err(lost @ Failure::Lost(_)) => return Err(lost),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
        Ok(Way::Clear)
    }

    /// A start job merges into the one that is there, so this waits for the other caller's.
    async fn join(&mut self) -> Result<Way, Failure> {
        match self.bus.manager::<OwnedObjectPath>("StartUnit", &(self.unit.name.as_str(), "replace")).await {
            Ok(job) => {
                self.finish(&job).await?;
                Ok(Way::Joined)
            }
            Err(Failure::NoSuchUnit(_)) => Ok(Way::Clear),
            Err(failure) => Err(failure),
        }
    }
}

/// A stopped transient unit stays loaded while any loaded unit names it, by a mere After= of an administrator's unit
/// too, and then cannot be created anew. Its file removed, a reload forgets it: the one place where we pay for a reload.
async fn unpin(bus: &Bus, unit: &str) -> Result<Way, Failure> {
    let fragment = bus.get(unit, UNIT, "FragmentPath").await?;
    let fragment = <&str>::try_from(&fragment).unwrap_or_default();
    if !fragment.starts_with("/run/systemd/transient/") {
        let message =
            format!("the unit file {fragment} has the name {unit}: remove it, and run systemctl daemon-reload");
        return Err(Failure::Final(Error::failed(message)));
    }
    match std::fs::remove_file(fragment) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Failure::Final(error.into())),
        _ => bus.manager::<()>("Reload", &()).await?,
    }
    Ok(Way::Clear)
}
