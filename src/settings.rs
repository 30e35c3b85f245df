//! /etc/soute/soute.toml: what is the host's, not a container's.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::definition::types::escaped;
use crate::error::{Context, Error, Exit, Result};
use crate::file;
use crate::image::disk::ids::Pool;
use crate::image::remote::cosign::Rule;
use crate::layout::Layout;

/// As of a definition.
const LARGEST: u64 = 1 << 20;

/// A host: where its files are, and which ids containers may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Where its files are.
    pub layout: Layout,
    /// Which ids containers may have.
    pub pool: Pool,
    /// Whether systemd-machined is told of containers.
    pub machined: bool,
    /// Whether a start asks the wire who has the addresses already.
    pub probe_addresses: bool,
    /// Which images of registries have to be signed, and by whom.
    pub verify: Vec<Rule>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Settings {
    store: Option<PathBuf>,
    id_pool: Option<IdPool>,
    machined: bool,
    probe_addresses: Option<bool>,
    verify: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct IdPool {
    first: u32,
    last: u32,
}

impl Host {
    /// The host below `root`, by its settings; without the file everything has its default.
    pub fn load(root: impl Into<PathBuf>) -> Result<Self> {
        let layout = Layout::new(root);
        // Both get into units, where a line break would begin a directive.
        let plain = |path: &Path| path.to_str().is_some_and(|text| escaped(text) == text);
        if !plain(layout.root()) {
            return Err(Error::new(Exit::Usage, "--root has a control character in it, or is not UTF-8"));
        }
        let path = layout.settings();
        let text = match file::read_of_host(&path, LARGEST) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let invalid = |text: &str| Error::new(Exit::Invalid, format!("{}: {text}", path.display()));
        let settings: Settings = toml::from_str(&text).map_err(|error| {
            let (line, column) = error.span().map_or((1, 1), |span| position(&text, span.start));
            Error::new(Exit::Invalid, format!("{}:{line}:{column}: {}", path.display(), error.message()))
        })?;
        let pool = match settings.id_pool {
            None => Pool::default(),
            Some(IdPool { first, last }) if first < last => Pool { first, last },
            Some(_) => return Err(invalid("id-pool: first must be below last")),
        };
        let (verify, machined) = (settings.verify, settings.machined);
        let probe_addresses = settings.probe_addresses.unwrap_or(true);
        if let Some(Rule { prefix, .. }) = verify.iter().find(|rule| !rule.is_possible()) {
            return Err(invalid(&format!(
                "verify: {prefix:?}: a prefix is a host, with or without parts of a name, and a key has an absolute path"
            )));
        }
        match settings.store {
            None => Ok(Self { layout, pool, machined, probe_addresses, verify }),
            Some(store)
                if !plain(&store) || store.as_os_str().as_encoded_bytes().iter().any(|b| b" \"'\\%".contains(b)) =>
            {
                // systemd writes the path into units without quotes, and limits of the disks would not outlast a reload.
                Err(invalid("store: a blank, a quote, a backslash, a percent sign or a control character is in it"))
            }
            Some(store) if store.is_absolute() => {
                Ok(Self { layout: layout.with_store(store), pool, machined, probe_addresses, verify })
            }
            Some(_) => Err(invalid("store: must be an absolute path")),
        }
    }
}

/// Line and column of a byte, from 1.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..byte.min(text.len())];
    let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Host> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/soute")).unwrap();
        std::fs::write(root.path().join("etc/soute/soute.toml"), text).unwrap();
        Host::load(root.path())
    }

    #[test]
    fn the_store_and_the_pool_can_be_moved() {
        let host = load("store = \"/srv/soute\"\nid-pool = { first = 1000000, last = 2000000 }").unwrap();
        assert_eq!(host.layout.disks(), PathBuf::from("/srv/soute/disks"));
        assert_eq!(host.pool, Pool { first: 1_000_000, last: 2_000_000 });
    }

    #[test]
    fn names_may_need_a_signature() {
        let host = load("[[verify]]\nprefix = \"a.b/c\"\nkey = \"/etc/soute/keys/c.pub\"").unwrap();
        assert_eq!(host.verify, [Rule { prefix: "a.b/c".into(), key: "/etc/soute/keys/c.pub".into() }]);
        for (prefix, key) in
            [("", "/k"), ("a b", "/k"), ("a.b/../c", "/k"), ("a.b", "k"), ("https://a.b", "/k"), ("nginx", "/k")]
        {
            let text = format!("[[verify]]\nprefix = \"{prefix}\"\nkey = \"{key}\"");
            assert_eq!(load(&text).unwrap_err().exit(), Exit::Invalid, "{text}");
        }
        assert!(load("[[verify]]\nprefix = \"a.b\"").is_err());
    }

    #[test]
    fn machined_is_told_where_the_host_says_so() {
        assert!(load("machined = true").unwrap().machined);
        assert!(!load("").unwrap().machined);
        assert!(load("").unwrap().probe_addresses && !load("probe-addresses = false").unwrap().probe_addresses);
        assert_eq!(load("machined = \"yes\"").unwrap_err().exit(), Exit::Invalid);
    }

    #[test]
    fn what_it_does_not_know_is_an_error() {
        assert_eq!(load("stores = \"/srv\"").unwrap_err().exit(), Exit::Invalid);
        assert_eq!(load("store = \"srv\"").unwrap_err().exit(), Exit::Invalid);
        let text = load("# ours\n  stores = \"/srv\"").unwrap_err().to_string();
        assert!(text.contains("soute.toml:2:3: unknown field `stores`"), "{text}");
    }
}
