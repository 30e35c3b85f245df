//! The payload, its user, how it ends, where it logs.

use super::{Subject, wrong};
use crate::definition::model::{Init, Namespace, Ready, UserNamespace};
use crate::definition::source::Layer;
use crate::definition::types::{Account, Dependency, LATE_TARGETS, Limit};

/// Ids of a container are 0 to 65535.
const IDS: u32 = 65536;

pub(super) fn check(s: &mut Subject<'_>, image_known: bool) {
    arguments(s, image_known);
    accounts(s);
    init(s);
    times(s);
    log(s);
    targets_of_boot(s);
    let mask = s.definition.umask.0;
    if mask > 0o777 {
        s.say(&["umask"], wrong("a umask has only permission bits, 0000 to 0777"));
    }
    if s.definition.schema == 0 {
        s.say(&["schema"], wrong("schemas are counted from 1"));
    }
    if s.definition.hostname.is_some() && s.definition.namespaces.uts == Namespace::Host {
        s.say(&["hostname"], wrong("namespaces.uts = \"host\" shares the host's name").help("leave hostname out"));
    }
    if s.definition.labels.keys().any(|key| key.is_empty()) {
        s.say(&["labels"], wrong("a label needs a name"));
    }
}

/// The launcher is started by multi-user.target, which waits for it, while it waits for the container: a container that
/// waited for the target in turn would hang the boot.
fn targets_of_boot(s: &mut Subject<'_>) {
    let d = s.definition;
    for (key, list) in [("requires", &d.requires), ("wants", &d.wants), ("after", &d.after)] {
        for (index, dependency) in list.iter().enumerate() {
            let late = matches!(dependency, Dependency::Unit(unit) if LATE_TARGETS.contains(&unit.as_str()));
            if late {
                let fault =
                    wrong(format!("{dependency} is reached only when the containers that start at boot are up"));
                s.say(
                    &[key, &index.to_string()],
                    fault.help("network-online.target and services of the host may be named"),
                );
            }
        }
    }
}

fn arguments(s: &mut Subject<'_>, image_known: bool) {
    let d = s.definition;
    let entrypoint = d.entrypoint.as_ref().map_or(&[][..], |list| list);
    let command = d.command.as_deref().unwrap_or_default();
    let Some(program) = entrypoint.first().or(command.first()) else {
        let said = d.entrypoint.is_some() || d.command.is_some();
        if d.init != Init::Image && (image_known || said) && !s.refused.contains("entrypoint") {
            let fault = wrong("there is nothing to run: neither entrypoint nor command names a program");
            s.say(&["command"], fault.help("add command = [\"PROGRAM\", \"ARGUMENT\"]"));
        }
        return;
    };
    if program.is_empty() {
        let path = if entrypoint.is_empty() { ["command", "0"] } else { ["entrypoint", "0"] };
        s.say(&path, wrong("the program has no name"));
    }
}

fn accounts(s: &mut Subject<'_>) {
    if s.definition.namespaces.user == UserNamespace::Host {
        return;
    }
    let too_large = |account: &Account| matches!(account, Account::Id(id) if *id >= IDS);
    let fault = || wrong(format!("a container has the ids 0 to {}", IDS - 1));
    if let Some(user) = &s.definition.user
        && (too_large(&user.user) || user.group.as_ref().is_some_and(too_large))
    {
        s.say(&["user"], fault());
    }
    for (index, group) in s.definition.groups.iter().enumerate() {
        if too_large(group) {
            s.say(&["groups", &index.to_string()], fault());
        }
    }
}

fn init(s: &mut Subject<'_>) {
    let d = s.definition;
    if d.namespaces.pid == Namespace::Host && d.init != Init::None {
        let fault = wrong("with namespaces.pid = \"host\" nothing in the container is PID 1");
        s.say(&["init"], fault.help("leave init out"));
    }
    if d.init == Init::Image && d.ready == Some(Ready::Exec) {
        let fault = wrong("with ready = \"exec\" a system counts as started before it has booted");
        s.say(&["ready"], fault.help("leave ready out, it is \"notify\" then").warning());
    }
    if d.init == Init::Image {
        of_a_system(s);
    }
}

/// What is a payload's, and no init's.
fn of_a_system(s: &mut Subject<'_>) {
    let is_root = |account: &Account| match account {
        Account::Id(id) => *id == 0,
        Account::Name(name) => name == "root",
    };
    if s.definition.user.as_ref().is_some_and(|user| !is_root(&user.user)) {
        let fault = wrong("with init = \"image\" this is the user of the system's own init, which must be root");
        s.say(&["user"], fault.help("write \"root\"; its services have users of their own, and soute exec has --user"));
    }
    let of_image = s.origin(&["working-directory"]).is_some_and(|origin| origin.source.layer == Layer::Image);
    if s.definition.working_directory.is_some() && !of_image {
        let fault = wrong("with init = \"image\" only what soute exec runs begins here: an init goes to / by itself");
        s.say(&["working-directory"], fault.warning());
    }
}

fn times(s: &mut Subject<'_>) {
    let zero = |limit: Limit<crate::definition::types::Span>| limit.value().is_some_and(|span| span.0.is_zero());
    // On D-Bus 0 would become "infinity" without a word.
    let fault = || wrong("no time at all would be no limit for systemd").help("write \"infinity\", or a time");
    if zero(s.definition.start_timeout) {
        s.say(&["start-timeout"], fault());
    }
    if zero(s.definition.watchdog) {
        s.say(&["watchdog"], fault());
    }
    if s.definition.watchdog.value().is_some() && s.definition.init == Init::Image {
        let fault = wrong("a system that boots sends no WATCHDOG=1, its services send theirs to itself");
        s.say(&["watchdog"], fault.help("leave it out, or use [health]"));
    }
    if s.definition.stop.timeout.is_some_and(zero) {
        s.say(&["stop", "timeout"], fault());
    }
    let restart = &s.definition.restart;
    if restart.limit > 0 && restart.interval.0.is_zero() {
        let fault = wrong("an interval of no time lifts the limit").help("write limit = 0 to restart for ever");
        s.say(&["restart", "interval"], fault);
    }
    if let Some(crate::definition::model::Reload::Command(command)) = &s.definition.reload
        && command.first().is_none_or(|program| program.is_empty())
    {
        s.say(&["reload", "command"], wrong("it names no program"));
    }
}

fn log(s: &mut Subject<'_>) {
    let log = &s.definition.log;
    if log.identifier.as_ref().is_some_and(|identifier| identifier.is_empty()) {
        s.say(&["log", "identifier"], wrong("an identifier needs a character"));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let namespace = log.namespace.as_str();
    if !namespace.bytes().all(legal) || namespace.starts_with('.') || namespace.len() > 200 {
        s.say(&["log", "namespace"], wrong("a journal namespace has letters, digits, \"_\", \"-\" and \".\""));
    }
    if log.rate_limit.burst == 0 || log.rate_limit.interval.0.is_zero() {
        // LogRateLimitBurst=0 turns the limit off, which is not what it says.
        s.say(&["log", "rate-limit"], wrong("a rate limit is at least 1 line, within some time"));
    }
}
