//! `soute events`

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use serde::Serialize;

use super::cli::targets::{self, Target};
use super::cli::when::When;
use crate::definition::types::{Signal, escaped};
use crate::error::{Context, Error, Result};
use crate::events::{self, Event, Kind, Past, States, Story, Told};
use crate::output::stdout;
use crate::settings::Host;
use crate::systemd::{Change, Code, Follow, Manager, News, Wake};

const UNITS: &str = "soute@*.service";
/// How far the journal's time of an event may be from systemd's own.
const NEAR: Duration = Duration::from_secs(1);

/// Shows what happens to containers.
#[derive(Debug, Args)]
pub struct Events {
    /// Containers, definitions with replicas, groups, or directories that `soute up` was given; all.
    #[arg(value_name = "NAME|GROUP|DIR")]
    targets: Vec<Target>,
    /// Events of the past too, from then on: "2026-11-22 07:00", yesterday, -1h as journalctl has it, or 10m.
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<When>,
    /// End at that time; a time in the past shows those before it.
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<When>,
    /// Show only what has happened already, without --since as far back as the journal goes.
    #[arg(long)]
    no_follow: bool,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// A line of --json.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    version: u32,
    /// RFC 3339, UTC.
    time: String,
    name: &'a str,
    event: Kind,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    /// How it has ended, as systemd has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
    /// "exited" or "killed".
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// The exit status, or the name of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

impl Events {
    /// Signals end it as they end any program: nothing of it is left behind.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        // That there is a systemd.
        drop(Manager::connect()?);
        let names: Vec<String> = targets::resolve(host, &self.targets)?.iter().map(ToString::to_string).collect();
        let until = self.until.map(|When(until)| until);
        let follows = !self.no_follow && until.is_none_or(|until| until > SystemTime::now());
        let mut live = follows.then(|| Live::begin(host, &names)).transpose()?;
        if !follows || self.since.is_some() {
            let since = self.since.map(|When(since)| since);
            events::read(Past { since, until }, &names, |event| {
                if let Some(live) = &mut live {
                    live.is_told(&event);
                }
                self.show(&event)
            })?;
        }
        if let Some(mut live) = live {
            live.run(until, |event| self.show(event))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Whether somebody still reads.
    fn show(&self, event: &Event) -> Result<bool> {
        let Told { kind, detail, ended } = &event.told;
        if !self.json {
            let time = humantime::format_rfc3339_millis(event.at);
            let line = format!("{time}  {:<16}  {:<10}  {}", event.name, kind.as_str(), escaped(detail));
            stdout::write(&format!("{}\n", line.trim_end()))?;
            return Ok(!stdout::is_over());
        }
        let ended = ended.as_ref();
        let of_signal = |signal| Signal(signal).to_string().trim_start_matches("SIG").to_owned();
        let (code, status) = match ended.map(|ended| (ended.code, ended.status)) {
            Some((Code::Exited, status)) => (Some("exited"), Some(status.to_string())),
            Some((Code::Killed, signal)) => (Some("killed"), Some(of_signal(signal))),
            _ => (None, None),
        };
        let line = Line {
            version: 1,
            time: humantime::format_rfc3339_micros(event.at).to_string(),
            name: &event.name,
            event: *kind,
            detail,
            result: ended.map(|ended| ended.result.as_str()),
            code,
            status,
        };
        stdout::write(&(serde_json::to_string(&line).map_err(Error::failed)? + "\n"))?;
        Ok(!stdout::is_over())
    }
}

/// From now on.
struct Live<'a> {
    names: &'a [String],
    follow: Follow,
    begun: SystemTime,
    stories: HashMap<String, Story>,
    states: States<'a>,
    /// What the journal has told of the time since `begun`.
    told: Vec<Event>,
}

impl<'a> Live<'a> {
    fn begin(host: &'a Host, names: &'a [String]) -> Result<Self> {
        let (follow, units) = Follow::begin(UNITS)?;
        let mut states = States::new(&host.layout)?;
        let mut stories = HashMap::new();
        for (unit, change) in units {
            let Some(name) = container(&unit, names) else { continue };
            states.watch(name);
            stories.insert(name.to_owned(), Story::begin(&change));
        }
        Ok(Self { names, follow, begun: SystemTime::now(), stories, states, told: Vec::new() })
    }

    /// An event of the journal's; the signals may tell of it again.
    fn is_told(&mut self, event: &Event) {
        if event.at + NEAR > self.begun {
            self.told.push(event.clone());
        }
    }

    fn run(&mut self, until: Option<SystemTime>, mut show: impl FnMut(&Event) -> Result<bool>) -> Result<()> {
        let stdout = rustix::io::dup(rustix::stdio::stdout()).context("cannot watch standard output")?;
        let mut wakes = vec![Wake::hung_up(stdout), Wake::readable(self.states.fd()?)];
        wakes.extend(until.map(alarm).transpose()?.map(Wake::readable));
        loop {
            let events = match self.follow.next(&wakes)? {
                News::Unit(unit, change) => self.unit(&unit, &change),
                News::Woken(1) => self.files(),
                // Nobody reads any more, or the time has come.
                News::Woken(_) => return Ok(()),
                News::Lost => self.again()?,
            };
            for event in events {
                if !self.was_told(&event) && !show(&event)? {
                    return Ok(());
                }
            }
        }
    }

    fn unit(&mut self, unit: &str, change: &Change) -> Vec<Event> {
        let Some(name) = container(unit, self.names) else { return Vec::new() };
        let at = change.at.map_or_else(SystemTime::now, |at| UNIX_EPOCH + Duration::from_micros(at));
        let told = self.stories.entry(name.to_owned()).or_default().step(change);
        if told.iter().any(|told| matches!(told.kind, Kind::Starting | Kind::Ready)) {
            self.states.watch(name);
        }
        told.into_iter().map(|told| Event { at, name: name.to_owned(), told }).collect()
    }

    fn files(&mut self) -> Vec<Event> {
        let stories = &self.stories;
        let told = self.states.read(|name| stories.get(name).is_some_and(Story::is_up));
        told.into_iter().map(|(name, told)| Event { at: SystemTime::now(), name, told }).collect()
    }

    /// systemd was away: what has changed meanwhile is told as it is found.
    fn again(&mut self) -> Result<Vec<Event>> {
        let (follow, units) = Follow::begin(UNITS)?;
        self.follow = follow;
        let gone: Vec<String> = self
            .stories
            .keys()
            .filter(|name| !units.iter().any(|(unit, _)| *unit == super::unit(name)))
            .cloned()
            .collect();
        let ended = Change { active: Some("inactive".to_owned()), ..Change::default() };
        let ended = gone.into_iter().map(|name| (super::unit(&name), ended.clone()));
        let all: Vec<_> = units.into_iter().chain(ended).collect();
        Ok(all.iter().flat_map(|(unit, change)| self.unit(unit, change)).collect())
    }

    /// Whether the journal has told of it already: once each.
    fn was_told(&mut self, event: &Event) -> bool {
        let near = |one: SystemTime, other: SystemTime| one <= other + NEAR && other <= one + NEAR;
        let same =
            |told: &Event| (told.told.kind, &told.name) == (event.told.kind, &event.name) && near(told.at, event.at);
        match self.told.iter().position(same) {
            Some(index) => {
                self.told.remove(index);
                true
            }
            None => false,
        }
    }
}

/// The container of a unit, if it is one of those that are asked for.
fn container<'u>(unit: &'u str, names: &[String]) -> Option<&'u str> {
    let name = unit.strip_prefix("soute@")?.strip_suffix(".service")?;
    (names.is_empty() || names.iter().any(|asked| asked == name)).then_some(name)
}

fn alarm(at: SystemTime) -> Result<OwnedFd> {
    let action = "cannot set a timer";
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC).context(action)?;
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    let value = Timespec { tv_sec: at.as_secs().cast_signed(), tv_nsec: at.subsec_nanos().max(1).into() };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval: none, it_value: value })
        .context(action)?;
    Ok(timer)
}
