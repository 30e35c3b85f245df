//! What happens to containers. Live it is what systemd's signals and the files of a container's state say; of the past, what
//! the journal has.
//!
//! Both have the same words, and none of them needs a process that goes on beside us: a `journalctl --follow` would have to be
//! ended by whoever ends us, however that is done, and knows nothing of what is frozen.

mod journal;
mod states;
mod story;

use std::time::SystemTime;

use serde::Serialize;

pub use journal::{Past, read};
pub use states::States;
pub use story::Story;

use crate::definition::types::Signal;
use crate::systemd::{Code, Ended};

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// systemd has begun a start.
    Starting,
    /// The payload runs, and is ready as its definition has it.
    Ready,
    /// It was told to read its configuration again, and has.
    Reloaded,
    /// Somebody has asked for its end.
    Stopping,
    /// It has ended well.
    Stopped,
    /// It has ended otherwise, or has not come up.
    Failed,
    /// systemd starts it again by itself.
    Restarting,
    /// The kernel has killed one of its processes for memory.
    OutOfMemory,
    /// All of its processes are suspended.
    Frozen,
    /// They run again.
    Thawed,
    /// Its check succeeds, for the first time or again.
    Healthy,
    /// Its check has failed too often.
    Unhealthy,
    /// Limits and the like were changed while it runs.
    Changed,
}

impl Kind {
    /// As users read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Reloaded => "reloaded",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Restarting => "restarting",
            Self::OutOfMemory => "out-of-memory",
            Self::Frozen => "frozen",
            Self::Thawed => "thawed",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Changed => "changed",
        }
    }

    /// Those that soute itself notes in the journal.
    fn noted(word: &str) -> Option<Self> {
        [Self::Frozen, Self::Thawed, Self::Healthy, Self::Unhealthy, Self::Changed]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// What has happened to one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: SystemTime,
    /// To whom.
    pub name: String,
    /// What.
    pub told: Told,
}

/// What has happened, and what there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub kind: Kind,
    /// For people; may be empty.
    pub detail: String,
    /// How it has ended.
    pub ended: Option<Ended>,
}

impl Told {
    /// Of an event that is no end.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), ended: None }
    }

    /// The end of a container; what it says for itself, where nobody has asked it to end, or it has not done so well.
    pub fn end(ended: Ended, asked: bool) -> Self {
        let how = match ended.code {
            Code::Exited => format!("exited {}", ended.status),
            Code::Killed => format!("killed {}", Signal(ended.status).to_string().trim_start_matches("SIG")),
            Code::None => String::new(),
        };
        let why = match ended.result.as_str() {
            "success" | "exit-code" | "signal" | "core-dump" => "",
            "oom-kill" => "out of memory",
            "timeout" => "timed out",
            other => other,
        };
        // Of one that was missed nothing is known.
        let well = matches!(ended.result.as_str(), "success" | "");
        let expected = asked || (ended.code == Code::Exited && ended.status == 0);
        let said = !(well && expected);
        let parts = [why, &*how].into_iter().filter(|part| said && !part.is_empty());
        let detail = parts.collect::<Vec<_>>().join(", ");
        Self { kind: if well { Kind::Stopped } else { Kind::Failed }, detail, ended: Some(ended) }
    }
}

/// "3rd time"
fn counted(count: u32) -> String {
    let suffix = match (count % 100, count % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{count}{suffix} time")
}
