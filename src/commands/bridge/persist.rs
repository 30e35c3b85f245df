//! Bridges written down for systemd-networkd: a .netdev that makes one, a .network that gives it addresses. Files of others
//! are neither written over nor removed.

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Exit, Result};
use crate::layout::Layout;
use crate::network::bridge::NewBridge;

/// The first line of what is ours.
const MARK: &str = "# Written by soute bridge create --persist; soute bridge remove takes it away.\n";
/// Where networkd looks.
const DIRECTORIES: [&str; 4] =
    ["etc/systemd/network", "run/systemd/network", "usr/local/lib/systemd/network", "usr/lib/systemd/network"];
/// More than such a file has.
const LONGEST: u64 = 1 << 20;

/// The two files of a bridge.
fn paths(layout: &Layout, name: &str) -> [PathBuf; 2] {
    let directory = layout.root().join(DIRECTORIES[0]);
    ["netdev", "network"].map(|kind| directory.join(format!("20-soute-{name}.{kind}")))
}

/// Whether it is written down, by us.
pub fn is_written(layout: &Layout, name: &str) -> bool {
    paths(layout, name).iter().any(|path| is_ours(path))
}

fn is_ours(path: &Path) -> bool {
    text(path).is_some_and(|text| text.starts_with(MARK))
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).ok()?;
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Writes both, or neither.
pub fn write(layout: &Layout, new: &NewBridge) -> Result<[PathBuf; 2]> {
    let paths = paths(layout, &new.name);
    if let Some(other) = described(layout, &new.name) {
        return Err(Error::failed(format!("{} describes it already", other.display())));
    }
    let directory = paths[0].parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (index, (path, text)) in paths.iter().zip([netdev(new), network(new)]).enumerate() {
        let options = |path| fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
        let written = options(path).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        if let Err(error) = written {
            let ours = if error.kind() == ErrorKind::AlreadyExists { index } else { index + 1 };
            paths[..ours].iter().for_each(|path| drop(fs::remove_file(path)));
            return Err(error).with_context(|| format!("cannot write {}", path.display()));
        }
    }
    Ok(paths)
}

/// Removes those that are ours; whether there was one.
pub fn remove(layout: &Layout, name: &str) -> Result<bool> {
    let mut any = false;
    for path in paths(layout, name).iter().filter(|path| is_ours(path)) {
        fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
        any = true;
    }
    Ok(any)
}

/// A .netdev that makes a device of that name already.
fn described(layout: &Layout, name: &str) -> Option<PathBuf> {
    let line = format!("Name={name}");
    let files = DIRECTORIES.iter().filter_map(|directory| fs::read_dir(layout.root().join(directory)).ok()).flatten();
    let mut netdevs =
        files.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "netdev"));
    netdevs.find(|path| text(path).is_some_and(|text| text.lines().any(|own| own.trim() == line)))
}

fn netdev(new: &NewBridge) -> String {
    let mac = new.mac.map(|byte| format!("{byte:02x}")).join(":");
    let mut text = format!("{MARK}[NetDev]\nName={}\nKind=bridge\nMACAddress={mac}\n", new.name);
    if let Some(mtu) = new.mtu {
        let _ = writeln!(text, "MTUBytes={mtu}");
    }
    if new.vlan_filtering {
        text += "\n[Bridge]\nVLANFiltering=yes\n";
    }
    text
}

fn network(new: &NewBridge) -> String {
    let mut text = format!("{MARK}[Match]\nName={}\n\n[Link]\nRequiredForOnline=no\n\n[Network]\n", new.name);
    for cidr in &new.addresses {
        let _ = writeln!(text, "Address={cidr}");
    }
    text + "LinkLocalAddressing=no\nIPv6AcceptRA=no\nConfigureWithoutCarrier=yes\n"
}

/// Exit status 6, for what still needs a bridge.
pub fn busy(what: String) -> Error {
    Error::new(Exit::Busy, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge() -> NewBridge {
        NewBridge {
            name: "br0".into(),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: Some(9000),
            vlan_filtering: true,
            addresses: vec!["10.88.0.1/24".parse().unwrap(), "fd00:88::1/64".parse().unwrap()],
        }
    }

    #[test]
    fn networkd_is_told_the_same() {
        assert_eq!(
            netdev(&bridge()).strip_prefix(MARK).unwrap(),
            "[NetDev]\nName=br0\nKind=bridge\nMACAddress=02:00:00:00:00:01\nMTUBytes=9000\n\n[Bridge]\nVLANFiltering=yes\n"
        );
        assert_eq!(
            network(&bridge()).strip_prefix(MARK).unwrap(),
            "[Match]\nName=br0\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nAddress=10.88.0.1/24\nAddress=fd00:88::1/64\n\
             LinkLocalAddressing=no\nIPv6AcceptRA=no\nConfigureWithoutCarrier=yes\n"
        );
    }

    #[test]
    fn files_of_others_stay() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let [netdev, network] = paths(&layout, "br0");
        fs::create_dir_all(netdev.parent().unwrap()).unwrap();
        fs::write(&network, "[Match]\nName=br0\n").unwrap();
        let error = write(&layout, &bridge()).unwrap_err().to_string();
        assert!(error.contains("20-soute-br0.network: File exists"), "{error}");
        assert!(!netdev.exists() && fs::read_to_string(&network).unwrap() == "[Match]\nName=br0\n");
        assert!(!remove(&layout, "br0").unwrap() && network.exists());
        fs::remove_file(&network).unwrap();

        let theirs = netdev.with_file_name("10-theirs.netdev");
        fs::write(&theirs, "[NetDev]\nKind=bridge\nName=br0\n").unwrap();
        let error = write(&layout, &bridge()).unwrap_err().to_string();
        assert!(error.ends_with("10-theirs.netdev describes it already"), "{error}");
        fs::remove_file(&theirs).unwrap();

        write(&layout, &bridge()).unwrap();
        assert!(is_written(&layout, "br0") && !is_written(&layout, "br1"));
        assert!(remove(&layout, "br0").unwrap() && !netdev.exists() && !network.exists());
    }
}
