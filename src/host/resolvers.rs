//! The servers that the host asks for names, as a container reaches them.

use std::net::IpAddr;
use std::path::Path;

use crate::definition::Definition;
use crate::definition::model::NetworkNamespace;
use crate::definition::types::DnsServer;
use crate::file;

/// resolv.conf(5): further ones are never asked.
const MOST: usize = 3;
const LARGEST: u64 = 1 << 20;
/// What a container with links of its own is told where `servers = ["host"]` gives it none.
pub const UNREACHABLE: &str =
    "the host's name servers are on its own loopback, where the container does not reach them";

/// Does the definition ask for them?
pub fn are_wanted(definition: &Definition) -> bool {
    definition.dns.servers().contains(&DnsServer::Host)
}

/// Those of /etc/resolv.conf. A resolver on loopback answers nobody but the host: in place of systemd-resolved's come the
/// servers that it asks itself. None if there are no others.
pub fn of_host(definition: &Definition, root: &Path) -> Vec<IpAddr> {
    let read = |path: &str| servers(&file::read_of_host(&root.join(path), LARGEST).unwrap_or_default());
    let of_libc = read("etc/resolv.conf");
    let mut list = match definition.namespaces.network {
        NetworkNamespace::Host => of_libc,
        _ if of_libc.iter().any(IpAddr::is_loopback) => {
            let asked = read("run/systemd/resolve/resolv.conf");
            of_libc.into_iter().chain(asked).filter(|server| !server.is_loopback()).collect()
        }
        _ => of_libc,
    };
    list.truncate(MOST);
    list
}

fn servers(text: &str) -> Vec<IpAddr> {
    let server = |line: &str| line.trim().strip_prefix("nameserver")?.trim().parse().ok();
    text.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_stub_on_loopback_is_passed_by() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::create_dir_all(root.path().join("run/systemd/resolve")).unwrap();
        let private: Definition = toml::from_str("image = \"x\"\ndns.servers = \"host\"").unwrap();
        let shared: Definition = toml::from_str("image = \"x\"\nnamespaces.network = \"host\"").unwrap();
        assert!(are_wanted(&private) && !are_wanted(&shared));
        let said = |definition| of_host(definition, root.path()).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(said(&private), [""; 0]);
        fs::write(root.path().join("etc/resolv.conf"), "# stub\nnameserver 127.0.0.53\noptions edns0\n").unwrap();
        assert_eq!(said(&private), [""; 0]);
        fs::write(root.path().join("run/systemd/resolve/resolv.conf"), "nameserver 10.0.0.1\nnameserver fd00::1\n")
            .unwrap();
        assert_eq!(said(&private), ["10.0.0.1", "fd00::1"]);
        assert_eq!(said(&shared), ["127.0.0.53"]);
        let four =
            "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver 10.0.0.3\nnameserver ::2";
        fs::write(root.path().join("etc/resolv.conf"), four).unwrap();
        assert_eq!(said(&private), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    }
}
