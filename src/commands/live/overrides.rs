//! Files of systemd's that say something else than soute has told it: drop-ins, and what `systemctl set-property` has left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::settings::Host;

/// Where drop-ins of a unit lie; of systemd's transient directory those of `systemctl set-property`, and ours.
const DIRECTORIES: [&str; 7] = [
    "usr/lib/systemd/system",
    "usr/local/lib/systemd/system",
    "run/systemd/system",
    "etc/systemd/system",
    "run/systemd/transient",
    "run/systemd/system.control",
    "etc/systemd/system.control",
];
const TRANSIENT: &str = "run/systemd/transient";

/// Properties by their D-Bus names, and who sets each.
pub type Overrides = BTreeMap<String, String>;

/// Of all containers, by `soute@.service.d`.
pub fn of_all(host: &Host) -> Overrides {
    let mut found = Overrides::new();
    for directory in DIRECTORIES {
        add(&host.layout.root().join(directory).join("soute@.service.d"), &mut found);
    }
    found
}

/// Of one container.
pub fn of(host: &Host, name: &str) -> Overrides {
    let mut found = Overrides::new();
    for directory in DIRECTORIES {
        add(&host.layout.root().join(directory).join(format!("soute@{name}.service.d")), &mut found);
    }
    found
}

/// Whether it stays when soute says otherwise: not what is made by systemctl set-property, which soute's own replaces.
pub fn lasts(from: Option<&String>) -> bool {
    from.is_some_and(|from| !from.contains(TRANSIENT) && !from.contains("system.control"))
}

fn add(directory: &Path, found: &mut Overrides) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    for path in files {
        let Ok(text) = crate::file::read_of_host(&path, 1 << 20) else { continue };
        for (index, line) in text.lines().enumerate() {
            let Some((directive, _)) = line.split_once('=') else { continue };
            if !directive.trim_start().starts_with(['#', ';']) {
                found.insert(property(directive.trim()), format!("{}:{}", path.display(), index + 1));
            }
        }
    }
}

/// What D-Bus calls a directive.
fn property(directive: &str) -> String {
    match directive.strip_suffix("Sec") {
        Some(name) => format!("{name}USec"),
        None if directive == "CPUQuota" => "CPUQuotaPerSecUSec".to_owned(),
        None if directive == "MemoryLimit" => "MemoryMax".to_owned(),
        None => directive.to_owned(),
    }
}
