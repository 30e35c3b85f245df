//! What each process of the unit may do: the main one, those it has made, those that `exec` and others have brought in.

use crate::audit::expect::Expected;
use crate::audit::facts::{Facts, Process};
use crate::audit::finding::{Finding, Verdict};
use crate::definition::types::Capability;

pub fn judge(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let Some(main) = facts.main() else { return Vec::new() };
    let mut list = one(facts, expected, main, "");
    let others = facts.processes.iter().skip(1);
    // Root in a user namespace below the container's has every capability over that namespace, and no more over this one.
    let (below, same): (Vec<_>, Vec<_>) = others.partition(|process| is_below(facts, main, process));
    let findings = same.iter().flat_map(|process| one(facts, expected, process, &format!(" of {}", process.shown())));
    let weaker: Vec<_> = findings.filter(|finding| finding.verdict == Verdict::Wrong).collect();
    let as_main = same.iter().filter(|process| !weaker.iter().any(|finding| finding.what.ends_with(&process.shown())));
    list.push(Finding::ok("other processes", format!("{} with no more than the main one may have", as_main.count())));
    if !below.is_empty() {
        list.push(Finding::note(
            "other processes",
            format!("{} in user namespaces below the container's", below.len()),
        ));
    }
    list.extend(weaker);
    list
}

fn is_below(facts: &Facts, main: &Process, process: &Process) -> bool {
    let user = |process: &Process| process.namespaces.get("user").copied();
    user(process) != user(main) && user(process) != facts.host.namespaces.get("user").copied()
}

fn one(facts: &Facts, expected: &Expected, process: &Process, of: &str) -> Vec<Finding> {
    let sets = process.capabilities;
    // Who exec brings in may be root all the same.
    let other_user = of.is_empty() && expected.unprivileged && !process.is_root();
    let named = if other_user { expected.named } else { expected.capabilities };
    let bounding = if expected.new_privileges.is_none() { named } else { expected.capabilities };
    let all = facts.host.capabilities;
    let mut list = vec![
        set(expected, all, "capabilities, bounding", sets.bounding, bounding),
        set(expected, all, "capabilities, in effect", sets.permitted | sets.effective, named),
        inherited(expected, "capabilities, inheritable", sets.inheritable),
        inherited(expected, "capabilities, ambient", sets.ambient),
        new_privileges(expected, process),
        label(expected, process),
    ];
    list.push(filter(facts, expected, process));
    list.extend(limits(expected, process));
    for finding in &mut list {
        finding.what += of;
    }
    list
}

fn set(expected: &Expected, all: u64, what: &str, found: u64, most: u64) -> Finding {
    let (shown, more) = (names(found, all), found & !most);
    match (more, found & expected.added) {
        (0, 0) => Finding::ok(what, shown),
        (0, added) => {
            let added: Vec<_> = list(added).iter().map(|name| format!("\"{name}\"")).collect();
            Finding::weaker(what, shown, format!("security.capabilities.add = [{}]", added.join(", ")))
        }
        _ => Finding::wrong(what, shown, format!("at most {}", names(most, all))),
    }
}

/// Nothing hands capabilities on, but what is added by name to another user than root; an init may do so for its services.
fn inherited(expected: &Expected, what: &str, found: u64) -> Finding {
    let allowed = if expected.boots { expected.capabilities } else { expected.named };
    match found & !allowed {
        0 if found & expected.added != 0 => {
            Finding::weaker(what, names(found, u64::MAX), "security.capabilities.add, for another user than root")
        }
        0 => Finding::ok(what, names(found, u64::MAX)),
        _ => Finding::wrong(what, names(found, u64::MAX), names(allowed, u64::MAX)),
    }
}

fn new_privileges(expected: &Expected, process: &Process) -> Finding {
    let what = "new privileges";
    match (process.no_new_privileges, expected.new_privileges.as_deref()) {
        (true, _) => Finding::ok(what, "none by executing a program"),
        (false, Some("")) => Finding::ok(what, "as in any system that boots: sudo and su work"),
        (false, Some(words)) => Finding::weaker(what, "set-user-ID programs work", words),
        (false, None) => Finding::wrong(what, "set-user-ID programs work", "none by executing a program"),
    }
}

/// Which filter it is cannot be read without stopping the process; that there is one more than everything on this host has
/// can.
fn filter(facts: &Facts, expected: &Expected, process: &Process) -> Finding {
    let what = "system calls";
    let (mode, filters) = process.seccomp;
    // A kernel before 5.9 does not count them.
    let own = filters.map_or(1, |filters| filters.saturating_sub(facts.host.filters));
    let found = match (mode, own) {
        (2, 0) => "only filtered as everything on this host".to_owned(),
        (2, 1) => "filtered".to_owned(),
        (2, more) => format!("filtered, by {more} filters"),
        _ => "not filtered".to_owned(),
    };
    match (mode == 2 && own > 0, &expected.filter) {
        (false, _) if expected.filtered => Finding::wrong(what, found, "filtered"),
        (_, Some(words)) => Finding::weaker(what, found, words),
        (_, None) => Finding::ok(what, found),
    }
}

/// AppArmor adds its mode to the name of a profile, as in "web (enforce)".
fn label(expected: &Expected, process: &Process) -> Finding {
    let found = if process.label.is_empty() { "none" } else { &process.label };
    match &expected.label {
        Some(wanted) if found == wanted || found.strip_suffix(" (enforce)") == Some(wanted) => {
            Finding::ok("security label", found)
        }
        Some(wanted) => Finding::wrong("security label", found, wanted),
        None => Finding::note("security label", found),
    }
}

fn limits(expected: &Expected, process: &Process) -> Vec<Finding> {
    let limit = |(name, (most, words)): (&&'static str, &(Option<u64>, Option<String>))| {
        let (_, hard) = process.limits.get(*name)?;
        let shown = |limit: &Option<u64>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
        let what = name.replacen("Max ", "limit of ", 1);
        let exceeds = most.is_some_and(|most| hard.is_none_or(|hard| hard > most));
        Some(match (exceeds, words) {
            (true, _) => Finding::wrong(what, shown(hard), format!("at most {}", shown(most))),
            (false, Some(words)) if *name == "Max core file size" && *hard != Some(0) => {
                Finding::weaker(what, shown(hard), words)
            }
            _ => Finding::ok(what, shown(hard)),
        })
    };
    expected.rlimits.iter().filter_map(limit).collect()
}

fn list(set: u64) -> Vec<String> {
    let named = Capability::all().filter(|capability| set & 1 << capability.number() != 0);
    named.map(|capability| capability.to_string().trim_start_matches("CAP_").to_owned()).collect()
}

fn names(set: u64, all: u64) -> String {
    match list(set).len() {
        0 if set == 0 => "none".to_owned(),
        _ if set & all == all => "every one".to_owned(),
        count => format!("{count}: {}", list(set).join(" ")),
    }
}
