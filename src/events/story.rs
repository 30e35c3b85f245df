//! From states of a unit to what has happened to it. Pure.

use super::{Kind, Told};
use crate::systemd::{Change, Ended};

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Down,
    Starting,
    Up,
    Reloading,
    Stopping,
    /// For the time that systemd leaves between its end and the next start.
    Waiting,
}

impl Phase {
    fn of(active: &str, sub: &str) -> Self {
        match active {
            "activating" if sub.starts_with("auto-restart") => Self::Waiting,
            "activating" => Self::Starting,
            "active" | "refreshing" => Self::Up,
            "reloading" => Self::Reloading,
            "deactivating" => Self::Stopping,
            _ => Self::Down,
        }
    }
}

/// What is known of one container.
#[derive(Debug, Clone, Default)]
pub struct Story {
    phase: Phase,
    invocation: Vec<u8>,
    restarts: u32,
    /// What the last signal of the service has said, which comes before that of the unit.
    restarts_now: Option<u32>,
    ended: Ended,
    /// Its end was asked for.
    asked: bool,
}

impl Story {
    /// How a unit is found, of which nothing is told.
    pub fn begin(change: &Change) -> Self {
        let active = change.active.as_deref().unwrap_or_default();
        Self {
            phase: Phase::of(active, &change.sub),
            invocation: change.invocation.clone(),
            restarts: change.restarts.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// It has processes, and is not about to lose them.
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up | Phase::Reloading)
    }

    /// What a signal tells. PID 1 sends one for several changes where these come fast, so a state may have been left out.
    pub fn step(&mut self, change: &Change) -> Vec<Told> {
        if let Some(result) = &change.result {
            self.ended = Ended { result: result.clone(), code: change.code, status: change.status };
        }
        self.restarts_now = change.restarts.or(self.restarts_now);
        let Some(active) = &change.active else { return Vec::new() };
        self.move_to(Phase::of(active, &change.sub), change)
    }

    fn move_to(&mut self, phase: Phase, change: &Change) -> Vec<Told> {
        use Phase::{Down, Reloading, Starting, Stopping, Up, Waiting};
        let mut told = Vec::new();
        let another =
            !change.invocation.is_empty() && !self.invocation.is_empty() && change.invocation != self.invocation;
        let was = self.phase;
        if was == phase && !another {
            self.ask(phase, change, &mut told);
            return told;
        }
        let began_again = another && matches!(phase, Starting | Up | Reloading);
        if !matches!(was, Down | Waiting) && (matches!(phase, Down | Waiting) || began_again) {
            // Of an end that was passed over nothing is known but that it was.
            let ended = if began_again { success() } else { self.ended.clone() };
            told.push(Told::end(ended, self.asked || began_again));
        }
        told.extend(self.count());
        let fresh = matches!(was, Down | Waiting) || began_again;
        if fresh && matches!(phase, Starting | Up | Reloading | Stopping) {
            self.asked = false;
            told.push(Told::new(Kind::Starting, ""));
        }
        match phase {
            Up if was == Reloading && !fresh => told.push(Told::new(Kind::Reloaded, "")),
            Up | Reloading if fresh || was == Starting => told.push(Told::new(Kind::Ready, "")),
            _ => {}
        }
        self.phase = phase;
        if !change.invocation.is_empty() {
            self.invocation.clone_from(&change.invocation);
        }
        self.ask(phase, change, &mut told);
        told
    }

    /// A unit that goes by itself has no job.
    fn ask(&mut self, phase: Phase, change: &Change, told: &mut Vec<Told>) {
        if phase == Phase::Stopping && change.job && !self.asked {
            self.asked = true;
            told.push(Told::new(Kind::Stopping, ""));
        }
    }

    fn count(&mut self) -> Option<Told> {
        let now = self.restarts_now.unwrap_or(self.restarts);
        let more = now > self.restarts;
        self.restarts = now;
        more.then(|| Told::new(Kind::Restarting, super::counted(now)))
    }
}

fn success() -> Ended {
    Ended { result: "success".to_owned(), ..Ended::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systemd::Code;

    fn unit(active: &str, sub: &str, invocation: u8) -> Change {
        Change {
            active: Some(active.to_owned()),
            sub: sub.to_owned(),
            invocation: vec![invocation; 16],
            ..Change::default()
        }
    }

    fn service(result: &str, code: Code, status: i32, restarts: u32) -> Change {
        Change { result: Some(result.to_owned()), code, status, restarts: Some(restarts), ..Change::default() }
    }

    fn asked(change: Change) -> Change {
        Change { job: true, ..change }
    }

    fn told(story: &mut Story, changes: &[Change]) -> Vec<String> {
        let all = changes.iter().flat_map(|change| story.step(change)).collect::<Vec<_>>();
        all.iter().map(|told| format!("{} {}", told.kind.as_str(), told.detail).trim_end().to_owned()).collect()
    }

    #[test]
    fn a_life_from_start_to_stop() {
        let story = &mut Story::default();
        let life = [
            asked(unit("activating", "start", 1)),
            asked(unit("active", "running", 1)),
            unit("active", "running", 1),
            asked(unit("reloading", "reload", 1)),
            unit("active", "running", 1),
            asked(unit("deactivating", "stop", 1)),
            service("success", Code::Killed, 9, 0),
            asked(unit("deactivating", "stop-post", 1)),
            unit("inactive", "dead", 1),
            unit("inactive", "dead", 1),
        ];
        assert_eq!(told(story, &life), ["starting", "ready", "reloaded", "stopping", "stopped"]);
    }

    #[test]
    fn a_crash_and_what_systemd_does_about_it() {
        let story = &mut Story::begin(&unit("active", "running", 1));
        let crash = [
            unit("deactivating", "stop-post", 1),
            service("exit-code", Code::Exited, 3, 0),
            unit("activating", "auto-restart", 1),
            service("success", Code::None, 0, 1),
            asked(unit("activating", "start", 2)),
            unit("active", "running", 2),
            service("oom-kill", Code::Killed, 9, 1),
            unit("failed", "failed", 2),
        ];
        let expected =
            ["failed exited 3", "restarting 1st time", "starting", "ready", "failed out of memory, killed KILL"];
        assert_eq!(told(story, &crash), expected);
    }

    #[test]
    fn what_257_shows_between_an_end_and_a_restart_is_no_second_end() {
        let story = &mut Story::begin(&unit("active", "running", 1));
        let crash = [
            service("signal", Code::Killed, 11, 0),
            unit("failed", "failed-before-auto-restart", 1),
            unit("activating", "auto-restart", 1),
            unit("activating", "auto-restart-queued", 1),
            service("success", Code::None, 0, 2),
            unit("activating", "start", 3),
        ];
        assert_eq!(told(story, &crash), ["failed killed SEGV", "restarting 2nd time", "starting"]);
    }

    #[test]
    fn states_that_were_passed_over_have_been() {
        let story = &mut Story::begin(&unit("active", "running", 1));
        assert_eq!(told(story, &[unit("active", "running", 2)]), ["stopped", "starting", "ready"]);
        assert_eq!(told(&mut Story::default(), &[unit("active", "running", 1)]), ["starting", "ready"]);
        assert_eq!(told(&mut Story::default(), &[unit("inactive", "dead", 0)]), [""; 0]);
    }

    #[test]
    fn an_end_that_nobody_asked_for_says_how() {
        let story = &mut Story::begin(&unit("active", "running", 1));
        let end = [service("success", Code::Killed, 9, 0), unit("inactive", "dead", 1)];
        assert_eq!(told(story, &end), ["stopped killed KILL"]);
        let story = &mut Story::begin(&unit("active", "running", 1));
        assert_eq!(told(story, &[service("success", Code::Exited, 0, 0), unit("inactive", "dead", 1)]), ["stopped"]);
    }
}
