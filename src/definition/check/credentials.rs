//! Credentials: what systemd would read otherwise than it is written, and what would lie over them.

use super::{Subject, wrong};
use crate::definition::model::{Credential, Init};

pub(super) fn check(s: &mut Subject<'_>) {
    let credentials = &s.definition.credentials;
    let directory = if s.definition.init == Init::Image { "/run/host" } else { "/run/credentials" };
    let mut faults = Vec::new();
    for (name, credential) in credentials {
        let (key, path) = match credential {
            Credential::File(path) => ("file", path.to_string()),
            Credential::Encrypted(path) => ("encrypted", path.to_string()),
            Credential::Host(_) => continue,
        };
        // systemd writes it into the unit without quotes, and reads it again at a daemon-reload.
        if path.contains([' ', '\t', '"', '\'', '\\', '%']) {
            faults.push((name.to_string(), key));
        }
    }
    for (name, key) in faults {
        let fault = wrong("systemd would not read this path as it is written");
        s.say(&["credentials", &name, key], fault.help("a path without blanks, quotes, backslashes and percent signs"));
    }
    if !s.definition.credentials.is_empty() {
        let over = |target: &str| target == directory || target.starts_with(&format!("{directory}/"));
        let at = s.definition.mount.iter().position(|mount| over(mount.target.as_str()));
        if let Some(at) = at {
            let fault = wrong(format!("the credentials are in {directory}"));
            s.say(&["mount", &at.to_string(), "target"], fault);
        }
    }
}
