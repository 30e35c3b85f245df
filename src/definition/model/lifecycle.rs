//! How a container starts, ends and talks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::types::{ExitStatus, Limit, List, RateLimit, Signal, Span, Text, UnitText};

/// What is PID 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// The payload.
    #[default]
    None,
    /// A tiny init that reaps orphans.
    Reaper,
    /// The image's own: the container boots.
    Image,
}

/// When a container counts as started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// Once the program was executed.
    Exec,
    /// Once the payload sends READY=1.
    Notify,
    /// Once the check of `[health]` has succeeded.
    Healthy,
}

/// What happens when the payload ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Restart {
    /// Restart= of systemd.service(5).
    pub policy: RestartPolicy,
    /// Wait so long before each restart.
    pub delay: Span,
    /// So many starts within `interval`, then the container has failed; 0 restarts for ever.
    pub limit: u32,
    /// Within which `limit` counts.
    pub interval: Span,
    /// Exit statuses and signals that are no failure, besides 0.
    pub success_status: List<ExitStatus>,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            policy: RestartPolicy::default(),
            delay: Span::seconds(1),
            limit: 5,
            interval: Span::seconds(60),
            success_status: List::default(),
        }
    }
}

/// Restart= of systemd.service(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    No,
    /// After a clean end.
    OnSuccess,
    /// After anything else.
    #[default]
    OnFailure,
    /// After a signal or a time-out.
    OnAbnormal,
    /// After a missed watchdog.
    OnWatchdog,
    /// After a signal that nobody sent on purpose.
    OnAbort,
    /// Always.
    Always,
}

impl RestartPolicy {
    /// As systemd spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnSuccess => "on-success",
            Self::OnFailure => "on-failure",
            Self::OnAbnormal => "on-abnormal",
            Self::OnWatchdog => "on-watchdog",
            Self::OnAbort => "on-abort",
            Self::Always => "always",
        }
    }
}

/// How the payload is asked to end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Stop {
    /// The signal; the image's, else SIGTERM, and SIGRTMIN+3 for init = "image".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// Then SIGKILL follows; 30s, and 90s for init = "image".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Limit<Span>>,
}

/// What `systemctl reload` does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// The payload gets this signal.
    Signal(Signal),
    /// This program runs in the container, as `soute exec` would run it.
    Command(Vec<Text>),
}

/// Where standard output and standard error go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Log {
    /// SYSLOG_IDENTIFIER; the container's name if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<UnitText>,
    /// The journal namespace; "" is the host's journal.
    pub namespace: UnitText,
    /// So many lines within so long, the rest is dropped.
    pub rate_limit: RateLimit,
    /// The journal, or nowhere.
    pub output: LogOutput,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            identifier: None,
            namespace: UnitText::default(),
            rate_limit: RateLimit { burst: 10_000, interval: Span::seconds(30) },
            output: LogOutput::default(),
        }
    }
}

/// Where the lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogOutput {
    /// The journal of soute@NAME.service.
    #[default]
    Journal,
    /// /dev/null.
    None,
}
