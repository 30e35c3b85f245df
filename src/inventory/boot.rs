//! Who starts a container at boot: its definition, systemctl, both or nobody.

use std::fs;
use std::path::PathBuf;

use crate::definition::types::Name;
use crate::definition::{Outline, search};
use crate::settings::Host;

/// Who starts a container at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boot {
    /// Nobody.
    #[default]
    No,
    /// `autostart = true`.
    Autostart,
    /// `systemctl enable`.
    Enabled,
    /// Both.
    Both,
}

impl Boot {
    /// By the definition as it is now, and by the links that systemctl has made.
    pub fn of(host: &Host, name: &str) -> Self {
        let found = name.parse::<Name>().ok().and_then(|name| search::find(&host.layout, &name).ok()?);
        let of = found.as_ref().and_then(|found| found.replica.as_ref()).map(|replica| &replica.of);
        let enabled = std::iter::once(name).chain(of.map(|of| of.as_str())).any(|name| !links(host, name).is_empty());
        // What cannot be read is launched, so that its fault is seen.
        let autostart = found.is_some_and(|found| Outline::read(&host.layout, &found).is_none_or(|o| o.autostart));
        match (autostart, enabled) {
            (false, false) => Self::No,
            (true, false) => Self::Autostart,
            (false, true) => Self::Enabled,
            (true, true) => Self::Both,
        }
    }

    /// As `list` and `--json` show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Autostart => "autostart",
            Self::Enabled => "enabled",
            Self::Both => "autostart, enabled",
        }
    }
}

/// The links of `systemctl enable soute-start@NAME`, in whatever target's directory.
pub fn links(host: &Host, name: &str) -> Vec<PathBuf> {
    let units = host.layout.root().join("etc/systemd/system");
    let link = format!("soute-start@{name}.service");
    let directories = fs::read_dir(units).into_iter().flatten().flatten().map(|entry| entry.path());
    let wanting = directories.filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".wants") || name.ends_with(".requires")
    });
    wanting.map(|path| path.join(&link)).filter(|path| path.symlink_metadata().is_ok()).collect()
}
