//! The check of a container.

use super::super::{Health, OnFailure, Probe};
use crate::definition::model;

/// What `[health]` means. A check has seen that there is one kind.
pub fn health(health: &model::Health) -> Health {
    let probe = match (&health.command, &health.http) {
        (Some(command), _) => Probe::Command(command.iter().map(ToString::to_string).collect()),
        (None, Some(url)) => Probe::Http { host: url.host.clone(), port: url.port, path: url.path.clone() },
        (None, None) => Probe::Tcp(health.tcp.map_or(0, |port| port.0)),
    };
    Health {
        probe,
        interval: health.interval.0,
        timeout: health.timeout.0,
        retries: health.retries,
        start_period: health.start_period.0,
        on_failure: match health.on_failure {
            model::OnFailure::Restart => OnFailure::Restart,
            model::OnFailure::Stop => OnFailure::Stop,
            model::OnFailure::None => OnFailure::None,
        },
    }
}
