//! One container: the new disk beside the old, then their places exchanged, and back if that does not work.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use super::definition::{self, Edit};
use super::prove::{Terms, Verdict, prove, watch};
use super::repair::hold;
use crate::commands::launch::Launch;
use crate::commands::remove::is_running;
use crate::commands::restart::{refuse_one_off, running_dependents};
use crate::commands::{must_exist, pull, report, stop};
use crate::definition::load::Loaded;
use crate::definition::model::DiskMode;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::host::{missing, settled};
use crate::image::disk::switch::Pair;
use crate::image::lock::Lock;
use crate::image::store::{Image, Store};
use crate::logs;
use crate::output::bar;
use crate::sandbox::copy;
use crate::settings::Host;
use crate::systemd::Manager;

/// Updates containers, and rolls them back.
pub struct Updater<'a> {
    pub host: &'a Host,
    pub manager: &'a Manager,
    pub terms: Terms,
    held: RefCell<BTreeSet<Name>>,
}

/// What an update has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its disk is a copy of that image already.
    UpToDate,
    /// It has no disk: its next start makes one.
    NoDisk,
    /// It does not run: its next start is on the new disk.
    Prepared,
    /// It runs on the new disk.
    Updated,
}

impl<'a> Updater<'a> {
    pub fn new(host: &'a Host, manager: &'a Manager, terms: Terms) -> Self {
        Self { host, manager, terms, held: RefCell::default() }
    }

    /// One container, and the change of its definition that makes it another image.
    pub fn update(&self, name: &Name, edit: Option<&Edit>) -> Result<Outcome> {
        must_exist(self.host, self.manager, name)?;
        let _held = hold(self.host, name)?;
        self.held.borrow_mut().insert(name.clone());
        let outcome = self.update_held(name, edit);
        self.held.borrow_mut().remove(name);
        outcome
    }

    fn update_held(&self, name: &Name, edit: Option<&Edit>) -> Result<Outcome> {
        let loaded = definition::load(self.host, name, edit, Some(self.manager.version()?))?;
        refuse_one_off(self.host, name)?;
        let image = self.image(&loaded)?;
        missing::refuse_in_vain(self.host, &loaded)?;
        let pair = Pair::of(&self.host.layout, name)?;
        let keeps = loaded.definition.disk.mode == DiskMode::Keep;
        let Some(old) = pair.in_use()?.map(|disk| Ok::<_, Error>((disk.kind()?, disk.record))).transpose()? else {
            return edit.map_or(Ok(()), Edit::write).map(|()| Outcome::NoDisk);
        };
        match (keeps, &old) {
            (true, (None, _)) => return edit.map_or(Ok(()), Edit::write).map(|()| Outcome::NoDisk),
            (true, (_, record)) if record.image == image.name && record.digest == image.info.digest => {
                return edit.map_or(Ok(()), Edit::write).map(|()| Outcome::UpToDate);
            }
            (false, (_, record)) if record.image == image.name => {
                let help = format!(
                    "it keeps no disk: `soute restart {name}` starts it on {image} as that is now",
                    image = image.name
                );
                return Err(Error::new(Exit::Invalid, help));
            }
            _ => {}
        }
        let plan = settled::anew(self.host, &loaded)?;
        let bar = bar::new(format!("copying {}", image.name));
        let made = copy::make_beside(&pair, &plan, &mut |done, total| bar::show(&bar, done, total));
        bar.finish_and_clear();
        made?;
        let switched = self.switch(name, &pair, edit, &old.1.image, &image);
        if switched.is_err() {
            // Nothing, where it has gone back already.
            pair.give_up().unwrap_or_else(|error| report(&error));
        }
        switched
    }

    fn image(&self, loaded: &Loaded) -> Result<Image> {
        let wanted = &loaded.definition.image;
        let image = Store::new(&self.host.layout)?.open(wanted)?;
        pull::refuse_other(wanted, &image.info)?;
        Ok(image)
    }

    /// The image that the disk is of, and the image that it will be of.
    fn switch(&self, name: &Name, pair: &Pair<'_>, edit: Option<&Edit>, from: &str, to: &Image) -> Result<Outcome> {
        pair.note(edit.map(|edit| edit.before.clone()), edit.map(|edit| edit.after.clone()))?;
        let exchange = || {
            pair.switch()?;
            edit.map_or(Ok(()), Edit::write).inspect_err(|_| pair.switch().unwrap_or_else(|error| report(&error)))
        };
        if !is_running(self.manager, name)? {
            let _lock = Lock::try_name(&self.host.layout, name)?;
            if is_running(self.manager, name)? {
                return Err(Error::new(Exit::Busy, "it is being started"));
            }
            exchange()?;
            pair.settle()?;
            return Ok(Outcome::Prepared);
        }
        let dependents = running_dependents(self.host, self.manager, name)?;
        if let Err(error) = self.stopped(name, &dependents, exchange) {
            self.start_all(name, &dependents).unwrap_or_else(|error| report(&error));
            return Err(error);
        }
        match prove(self.host, self.manager, name, self.terms, || self.start_all(name, &dependents)) {
            Verdict::Fails(why) => Err(self.go_back(name, pair, &dependents, (from, &to.name), why)),
            Verdict::Stopped => {
                pair.settle()?;
                let text = format!(
                    "it was stopped while it was watched: it stays on {}, and `soute rollback {name}` goes back",
                    to.name
                );
                Err(Error::failed(text))
            }
            verdict => {
                pair.settle()?;
                let healthy = if matches!(verdict, Verdict::Healthy) { ", healthy" } else { "" };
                self.say(name, &format!("<5>updated from image {from} to {} ({}){healthy}", to.name, to.info.digest));
                Ok(Outcome::Updated)
            }
        }
    }

    /// What it was, and why.
    fn go_back(
        &self,
        name: &Name,
        pair: &Pair<'_>,
        dependents: &[Name],
        (from, to): (&str, &str),
        why: Error,
    ) -> Error {
        let back = || {
            pair.switch()?;
            let [own, other] = pair.noted()?;
            definition::follow(own.as_ref(), other.as_ref())?;
            pair.give_up()
        };
        let back = self.stopped(name, dependents, back).and_then(|()| self.start_all(name, dependents));
        // Who waits for another exit status than that of a limit cannot mistake it for the way back.
        let exit = if why.exit() == Exit::TimedOut { Exit::TimedOut } else { Exit::Failed };
        let text = match back {
            Ok(()) => format!("{why}; it runs on {from} again"),
            Err(error) => format!("{why}; and it does not run on {from} again either: {error}"),
        };
        self.say(name, &format!("<4>update to image {to} failed: {text}"));
        Error::new(exit, text)
    }

    /// Does something while a container and those that require it are stopped, and nobody else starts them.
    pub fn stopped(&self, name: &Name, dependents: &[Name], act: impl FnOnce() -> Result<()>) -> Result<()> {
        let _lock = Lock::name(&self.host.layout, name)?;
        for stopped in dependents.iter().chain([name]) {
            // Who comes meanwhile waits.
            stop::for_now(self.host, self.manager, stopped).with_context(|| format!("cannot stop {stopped}"))?;
        }
        act()
    }

    /// Starts a container and those that require it.
    pub fn start_all(&self, name: &Name, dependents: &[Name]) -> Result<()> {
        // A launch starts nothing twice, and this may be the second time.
        let launch = Launch::new(self.host, self.manager)?.holding(self.held.borrow().clone());
        launch.start(name)?;
        dependents.iter().try_for_each(|dependent| launch.start(dependent))
    }

    /// In the journal, among the lines of the container.
    pub fn say(&self, name: &Name, line: &str) {
        if let Err(error) = logs::say(name, &self.host.layout, &line.replace('\n', "; ")) {
            eprintln!("soute: {error}, ignoring");
        }
    }

    /// Brings the kept disk back, with the definition where that goes along; false where none is kept. Where another one is
    /// stopped next, it is waited for until it is healthy.
    pub fn back(&self, name: &Name, with_definition: bool, until_healthy: bool) -> Result<bool> {
        let _held = hold(self.host, name)?;
        let pair = Pair::of(&self.host.layout, name)?;
        let Some(kept) = pair.kept()? else { return Ok(false) };
        self.held.borrow_mut().insert(name.clone());
        let started = self.back_held(name, &pair, kept.image(), with_definition);
        self.held.borrow_mut().remove(name);
        let watched = started.map(|running| running && until_healthy).and_then(|wait| match wait {
            true => watch(self.host, self.manager, name, Terms { settle: Duration::ZERO, ..self.terms }),
            false => Ok(Verdict::Ready),
        });
        match watched? {
            Verdict::Fails(why) => Err(why),
            _ => Ok(true),
        }
    }

    /// Whether it runs then.
    fn back_held(&self, name: &Name, pair: &Pair<'_>, to: &str, with_definition: bool) -> Result<bool> {
        let [own, other] = pair.noted()?.map(|file| file.filter(|_| with_definition));
        pair.take_kept()?;
        pair.note(own.clone(), other.clone())?;
        let exchange = || {
            pair.switch()?;
            definition::follow(other.as_ref(), own.as_ref())?;
            pair.settle()
        };
        let running = is_running(self.manager, name)?;
        let dependents = if running { running_dependents(self.host, self.manager, name)? } else { Vec::new() };
        if let Err(error) = self.stopped(name, &dependents, exchange) {
            pair.give_up().unwrap_or_else(|error| report(&error));
            if running {
                self.start_all(name, &dependents).unwrap_or_else(|error| report(&error));
            }
            return Err(error);
        }
        self.say(name, &format!("<5>back on image {to}"));
        if running {
            self.start_all(name, &dependents).with_context(|| format!("its disk is a copy of {to} again, but"))?;
        }
        Ok(running)
    }
}
