//! What a change of each key costs. soute.toml(5) has the same lists, and a test holds them against each other.

use serde::Serialize;

/// What it takes to make a difference go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// `soute apply`: the payload notices nothing but the effect.
    Live,
    /// A restart of the container.
    Restart,
    /// A new disk.
    Recreate,
    /// Somebody else has changed what runs.
    Drift,
}

/// Keys whose change costs something else than a restart. What is below a key is as the key itself, unless it is listed.
pub const CLASSES: [(&str, Class); 18] = [
    ("description", Class::Live),
    ("labels", Class::Live),
    ("autostart", Class::Live),
    ("limits", Class::Live),
    ("limits.rlimits", Class::Restart),
    ("network", Class::Live),
    ("network.kind", Class::Restart),
    ("network.parent", Class::Restart),
    ("network.name", Class::Restart),
    ("network.mac", Class::Restart),
    ("network.host-name", Class::Restart),
    ("dns", Class::Live),
    ("hosts", Class::Live),
    ("health", Class::Live),
    ("health.interval", Class::Restart),
    ("image", Class::Recreate),
    ("disk.size", Class::Live),
    ("disk.mode", Class::Recreate),
];

impl Class {
    /// Of a key, by its path without the names of entries.
    pub fn of(path: &str) -> Self {
        let covers = |key: &str| path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let found = CLASSES.iter().filter(|(key, _)| covers(key)).max_by_key(|(key, _)| key.len());
        found.map_or(Self::Restart, |(_, class)| *class)
    }

    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Restart => "restart",
            Self::Recreate => "recreate",
            Self::Drift => "drift",
        }
    }
}
