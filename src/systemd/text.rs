//! A unit as text, as it would stand in a unit file: what `soute unit NAME` prints. systemd.syntax(7) has the rules.

use std::fmt::Write;
use std::time::Duration;

use crate::definition::directives::{self, Kind};
use crate::definition::types::{Capability, Signal, Span};
use crate::plan::{Exec, ExitStatuses, Property, Unit, Value};

/// What goes into `[Unit]`; the rest of a service's properties is `[Service]`.
const UNIT_SECTION: &[&str] = &[
    "After",
    "Before",
    "BindsTo",
    "CollectMode",
    "Conflicts",
    "DefaultDependencies",
    "Description",
    "Documentation",
    "FailureAction",
    "FailureActionExitStatus",
    "IgnoreOnIsolate",
    "JobRunningTimeoutUSec",
    "JobTimeoutAction",
    "JobTimeoutRebootArgument",
    "JobTimeoutUSec",
    "JoinsNamespaceOf",
    "OnFailure",
    "OnFailureJobMode",
    "OnSuccess",
    "OnSuccessJobMode",
    "PartOf",
    "PropagatesReloadTo",
    "PropagatesStopTo",
    "RebootArgument",
    "RefuseManualStart",
    "RefuseManualStop",
    "ReloadPropagatedFrom",
    "Requires",
    "RequiresMountsFor",
    "Requisite",
    "SourcePath",
    "StartLimitAction",
    "StartLimitBurst",
    "StartLimitIntervalUSec",
    "StopPropagatedFrom",
    "StopWhenUnneeded",
    "SuccessAction",
    "SuccessActionExitStatus",
    "SurviveFinalKillSignal",
    "Upholds",
    "Wants",
    "WantsMountsFor",
];

/// The unit as the text of a unit file.
pub fn unit_text(unit: &Unit) -> String {
    let kind = if unit.name.ends_with(".socket") { "Socket" } else { "Service" };
    let (mut head, mut service) = (String::from("[Unit]\n"), format!("\n[{kind}]\n"));
    for property in &unit.properties {
        if let Value::Listen(list) = &property.value {
            for (kind, address) in list {
                let _ = writeln!(service, "Listen{kind}={address}");
            }
            continue;
        }
        let section = if UNIT_SECTION.contains(&property.name.as_str()) { &mut head } else { &mut service };
        let directive = directive(&property.name);
        for value in values(unit, property) {
            // Writing to a String cannot fail.
            let _ = writeln!(section, "{directive}={value}");
        }
    }
    head + &service
}

/// What a unit file calls a property.
fn directive(property: &str) -> String {
    match property {
        "CPUQuotaPerSecUSec" => "CPUQuota".to_owned(),
        _ => match property.strip_suffix("USec") {
            Some(name) => format!("{name}Sec"),
            None => property.to_owned(),
        },
    }
}

/// The values of a property: one a line.
fn values(unit: &Unit, property: &Property) -> Vec<String> {
    let name = property.name.as_str();
    match &property.value {
        Value::Bool(flag) => vec![if *flag { "yes" } else { "no" }.to_owned()],
        Value::I32(number) => vec![signed(name, *number)],
        Value::U32(number) => vec![unsigned(name, *number)],
        Value::U64(number) if name.starts_with("Limit") => resource_limit(unit, name, *number),
        Value::U64(number) => vec![long(name, *number)],
        Value::Text(text) => vec![percent(text)],
        Value::Texts(list) => vec![list.iter().map(|word| quoted(&percent(word))).collect::<Vec<_>>().join(" ")],
        Value::Bytes(mask) => vec![cpus(mask)],
        Value::Exec(commands) => commands.iter().map(command).collect(),
        Value::ExitStatuses(statuses) => vec![exit_statuses(statuses)],
        // No directive of a service.
        Value::Timers(_) => Vec::new(),
        Value::DeviceLimits(list) => {
            list.iter().map(|(path, limit)| format!("{} {}", quoted(&percent(path)), finite(*limit))).collect()
        }
        Value::Credentials(list) => list.iter().map(|(name, place)| format!("{name}:{}", percent(place))).collect(),
        // A directive each, by their kinds.
        Value::Listen(_) => Vec::new(),
        Value::DeviceAllow(list) => {
            list.iter().map(|(path, access)| format!("{} {access}", quoted(&percent(path)))).collect()
        }
    }
}

fn signed(name: &str, number: i32) -> String {
    match name {
        "KillSignal" | "RestartKillSignal" | "FinalKillSignal" | "WatchdogSignal" | "ReloadSignal" => {
            Signal(number).to_string()
        }
        _ => directives::of_property(name)
            .and_then(|(_, directive)| directive.kind.word(number))
            .map_or_else(|| number.to_string(), str::to_owned),
    }
}

fn unsigned(name: &str, number: u32) -> String {
    match directives::of_property(name).map(|(_, directive)| directive.kind) {
        Some(Kind::Share) => format!("{}%", u64::from(number) * 100 / u64::from(u32::MAX)),
        _ if name.ends_with("UMask") || name.ends_with("Mode") => format!("{number:04o}"),
        _ => number.to_string(),
    }
}

fn long(name: &str, number: u64) -> String {
    match name {
        // Microseconds of CPU time a second: 10000 are one percent.
        "CPUQuotaPerSecUSec" if number != u64::MAX => match (number / 10_000, number % 10_000) {
            (whole, 0) => format!("{whole}%"),
            (whole, part) => format!("{whole}.{:02}%", part / 100),
        },
        "CPUWeight" | "StartupCPUWeight" if number == 0 => "idle".to_owned(),
        // The parser takes hexadecimal digits here, with or without a prefix.
        "CoredumpFilter" => format!("{number:#x}"),
        "TimerSlackNSec" => format!("{number}ns"),
        "CapabilityBoundingSet" => capabilities(number),
        _ if name.ends_with("USec") && number != u64::MAX => Span(Duration::from_micros(number)).to_string(),
        _ => finite(number),
    }
}

fn capabilities(mask: u64) -> String {
    let named = Capability::all().filter(|capability| mask & 1 << capability.number() != 0);
    named.map(|capability| capability.to_string()).collect::<Vec<_>>().join(" ")
}

fn finite(number: u64) -> String {
    match number {
        u64::MAX => "infinity".to_owned(),
        number => number.to_string(),
    }
}

/// LimitX and LimitXSoft are one directive.
fn resource_limit(unit: &Unit, name: &str, hard: u64) -> Vec<String> {
    if name.ends_with("Soft") {
        return vec![];
    }
    let microseconds = name == "LimitRTTIME" && hard != u64::MAX;
    let value = |number: u64| if microseconds && number != u64::MAX { format!("{number}us") } else { finite(number) };
    match unit.get(&format!("{name}Soft")) {
        Some(Value::U64(soft)) if *soft != hard => vec![format!("{}:{}", value(*soft), value(hard))],
        _ => vec![value(hard)],
    }
}

fn command(exec: &Exec) -> String {
    let ignore = if exec.ignore_failure { "-" } else { "" };
    let words: Vec<_> = exec.argv.iter().map(|word| escaped(&percent(word).replace('$', "$$"))).collect();
    format!("{ignore}{}", words.join(" "))
}

fn exit_statuses(statuses: &ExitStatuses) -> String {
    let codes = statuses.codes.iter().map(ToString::to_string);
    let signals = statuses.signals.iter().map(|number| Signal(*number).to_string());
    codes.chain(signals).collect::<Vec<_>>().join(" ")
}

/// A little-endian bit mask as ranges: `[0b1011]` is "0-1 3".
fn cpus(mask: &[u8]) -> String {
    let set = |cpu: usize| mask.get(cpu / 8).is_some_and(|byte| byte & (1 << (cpu % 8)) != 0);
    let first = (0..mask.len() * 8).filter(|&cpu| set(cpu) && (cpu == 0 || !set(cpu - 1)));
    let ranges = first.map(|first| match (first..).take_while(|&cpu| set(cpu)).last() {
        Some(last) if last > first => format!("{first}-{last}"),
        _ => first.to_string(),
    });
    ranges.collect::<Vec<_>>().join(" ")
}

/// Strings are literal: no specifiers.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word of a list. Backslashes are literal there (EXTRACT_RETAIN_ESCAPE): unit names are full of them.
fn quoted(word: &str) -> String {
    match word {
        _ if !word.is_empty() && !word.contains([' ', '"', '\'']) => word.to_owned(),
        _ if word.contains('"') => format!("'{word}'"),
        _ => format!("\"{word}\""),
    }
}

/// A word of a command line, where C escapes are read.
fn escaped(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "/-_.:=,@+%$".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for character in word.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            control if control.is_control() && control.is_ascii() => {
                let _ = write!(text, "\\x{:02x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests;
