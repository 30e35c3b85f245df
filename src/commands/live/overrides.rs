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

/// The drop-ins of containers' units, each directory listed once.
pub struct Index {
    of_all: Overrides,
    /// By the names of units.
    of_units: BTreeMap<String, Vec<PathBuf>>,
}

impl Index {
    /// As they are now.
    pub fn of(host: &Host) -> Self {
        let mut of_units: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for directory in DIRECTORIES {
            let directory = host.layout.root().join(directory);
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let unit = name.to_str().filter(|name| name.starts_with("soute@"));
                if let Some(unit) = unit.and_then(|name| name.strip_suffix(".service.d")) {
                    of_units.entry(unit.to_owned()).or_default().push(entry.path());
                }
            }
        }
        let mut of_all = Overrides::new();
        of_units.get("soute@").into_iter().flatten().for_each(|directory| add(directory, &mut of_all));
        Self { of_all, of_units }
    }

    /// Of one container, those of all among them.
    pub fn of_container(&self, name: &str) -> Overrides {
        let mut found = self.of_all.clone();
        let own = self.of_units.get(&format!("soute@{name}"));
        own.into_iter().flatten().for_each(|directory| add(directory, &mut found));
        found
    }
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
