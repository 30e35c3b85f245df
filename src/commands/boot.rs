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
        let autostart = name.parse::<Name>().ok().and_then(|name| search::find(&host.layout, &name).ok()?);
        // What cannot be read is launched, so that its fault is seen.
        let autostart = autostart.is_some_and(|found| Outline::read(&host.layout, &found).is_none_or(|o| o.autostart));
        match (autostart, !links(host, name).is_empty()) {
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
