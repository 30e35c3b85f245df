//! The `[systemd]` table: directives that exist, that have no other home, with a value of their type.

use super::{Host, Subject, wrong};
use crate::definition::directives::{self, Directive, PropertyValue};

pub(super) fn check(s: &mut Subject<'_>, host: Host) {
    for (name, value) in &s.definition.systemd {
        let path = ["systemd", name.as_str()];
        let Some(directive) = directives::lookup(name) else {
            s.say_key(&path, directives::refusal(name).into());
            continue;
        };
        if let Some(version) = host.systemd.filter(|version| *version < directive.since) {
            let fault = wrong(format!("{name}= needs systemd {}, and this is {version}", directive.since));
            s.say_key(&path, fault);
        }
        match directive.value(value) {
            Ok(value) => units(s, &path, directive, &value),
            Err(refused) => s.say(&path, refused.into()),
        }
    }
}

/// A plain dependency on another container's transient unit would pin it once it has stopped: its next start fails.
fn units(s: &mut Subject<'_>, path: &[&str], directive: Directive, value: &PropertyValue) {
    let PropertyValue::Texts(list) = value else { return };
    for unit in list {
        if unit.starts_with("soute@") {
            s.say(path, wrong(format!("{unit} is a container")).help("use requires, wants or after, with its name"));
        } else if directive.property.ends_with("MountsFor") && !unit.starts_with('/') {
            s.say(path, wrong(format!("\"{unit}\" is not an absolute path")));
        }
    }
}
