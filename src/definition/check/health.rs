//! Health checks that could not be run, or would never fail.

use super::{Subject, wrong};
use crate::definition::model::Ready;
use crate::definition::types::Span;

const KINDS: [&str; 3] = ["command", "http", "tcp"];

pub(super) fn check(s: &mut Subject<'_>) {
    let Some(health) = &s.definition.health else {
        if s.definition.ready == Some(Ready::Healthy) && !s.says(&["health"]) {
            s.say(&["ready"], wrong("nothing says what healthy is").help("add [health] with command, http or tcp"));
        }
        return;
    };
    let said =
        KINDS.into_iter().filter(|kind| s.says(&["health", kind]) || s.refused.contains(&format!("health.{kind}")));
    match said.collect::<Vec<_>>()[..] {
        [_] => {}
        [] => s.say_key(&["health"], wrong("there is nothing to check").help("add command, http or tcp")),
        [_, second, ..] => s.say_key(&["health", second], wrong("command, http and tcp exclude each other")),
    }
    if health.command.as_ref().is_some_and(Vec::is_empty) {
        s.say(&["health", "command"], wrong("the command is empty"));
    }
    if health.interval < Span::seconds(1) {
        s.say(&["health", "interval"], wrong("a check each second is the most there can be"));
    }
    if health.timeout == Span::seconds(0) {
        s.say(&["health", "timeout"], wrong("a check that has no time always fails"));
    }
    if health.retries == 0 {
        s.say(&["health", "retries"], wrong("a container would be unhealthy before the first failure"));
    }
}
