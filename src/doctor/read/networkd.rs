//! What systemd-networkd is told to do with the host ends of containers' links: systemd.network(5), as far as it says which
//! links a file is for.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::doctor::facts::Networkd;

const DIRECTORIES: [&str; 4] =
    ["etc/systemd/network", "run/systemd/network", "usr/local/lib/systemd/network", "usr/lib/systemd/network"];
/// systemd's own, which leaves such links in their bridges.
const OWN: &str = "80-container-vb.network";
/// The host end of a link as soute makes it; its name is vb- and a hash.
const PORT: [(&str, &str); 4] = [("Name", "vb-0123456789ab"), ("Driver", "veth"), ("Kind", "veth"), ("Type", "ether")];
const LONGEST: u64 = 1 << 20;

/// Of the files of all directories the first by name that matches is the one.
pub fn read(root: &Path, runs: bool) -> Networkd {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for directory in DIRECTORIES.iter().rev() {
        for entry in fs::read_dir(root.join(directory)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".network") {
                files.insert(name, entry.path());
            }
        }
    }
    let taken = files.into_iter().find(|(_, path)| text(path).is_some_and(|text| matches(&text)));
    Networkd { runs, takes_ports: taken.map(|(name, path)| (path.display().to_string(), name == OWN)) }
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).ok()?;
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Whether its Match section is for such a link. A condition about something else (MACAddress=, Property=) says that it is not.
fn matches(text: &str) -> bool {
    let (mut section, mut conditions) = ("", 0);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| section == "[Match]") else { continue };
        let Some((_, own)) = PORT.iter().find(|(name, _)| *name == key.trim()) else { return false };
        conditions += 1;
        if !any(value.trim(), own) {
            return false;
        }
    }
    conditions > 0
}

/// A list of globs, which one must match; with "!" before it, none may.
fn any(list: &str, own: &str) -> bool {
    let (list, inverted) = list.strip_prefix('!').map_or((list, false), |rest| (rest, true));
    list.split_whitespace().any(|pattern| glob(pattern.as_bytes(), own.as_bytes())) != inverted
}

/// fnmatch(3) with "*", "?" and "[…]".
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => glob(rest, text) || (!text.is_empty() && glob(pattern, &text[1..])),
        ([b'?', rest @ ..], [_, tail @ ..]) => glob(rest, tail),
        ([b'[', rest @ ..], [own, tail @ ..]) => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => in_set(&rest[..end], *own) && glob(&rest[end + 1..], tail),
            None => false,
        },
        ([one, rest @ ..], [own, tail @ ..]) => one == own && glob(rest, tail),
        _ => false,
    }
}

fn in_set(set: &[u8], own: u8) -> bool {
    let (set, inverted) = match set {
        [b'!' | b'^', rest @ ..] => (rest, true),
        _ => (set, false),
    };
    let range = set.windows(3).any(|range| range[1] == b'-' && (range[0]..=range[2]).contains(&own));
    (set.contains(&own) || range) != inverted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_is_for_our_ports_or_not() {
        let of = |conditions: &str| matches(&format!("# all\n[Match]\n{conditions}\n[Network]\nName=vb-*\nDHCP=yes\n"));
        for conditions in [
            "Name=*",
            "Name=en* vb-*",
            "Driver=veth",
            "Type=ether",
            "Kind=veth\nName=v?-*",
            "Name=!en*",
            "Name=[a-v]b-*",
        ] {
            assert!(of(conditions), "{conditions}");
        }
        for conditions in [
            "Name=en*",
            "Name=*\nKind=bridge",
            "Name=!vb-*",
            "Type=wlan",
            "Name=*\nMACAddress=02:00:00:00:00:01",
            "",
            "Name=[w-z]*",
        ] {
            assert!(!of(conditions), "{conditions}");
        }
    }

    #[test]
    fn the_first_by_name_wins_and_etc_hides_usr() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let taken = || {
            read(root.path(), true).takes_ports.map(|(path, own)| (path.rsplit_once('/').unwrap().1.to_owned(), own))
        };
        assert_eq!(taken(), None);
        write("usr/lib/systemd/network/80-container-vb.network", "[Match]\nName=vb-*\nDriver=veth\n");
        assert_eq!(taken(), Some((OWN.to_owned(), true)));
        write("etc/systemd/network/99-all.network", "[Match]\nName=*\n");
        assert_eq!(taken(), Some((OWN.to_owned(), true)));
        write("etc/systemd/network/10-all.network", "[Match]\nName=*\n");
        assert_eq!(taken(), Some(("10-all.network".to_owned(), false)));
        write("etc/systemd/network/10-all.network", "");
        write("etc/systemd/network/80-container-vb.network", "");
        assert_eq!(taken(), Some(("99-all.network".to_owned(), false)), "an empty file in /etc masks");
    }
}
