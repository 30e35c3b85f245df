//! Kernel parameters that belong to a namespace.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// The name of a kernel parameter, with dots: `"net.core.somaxconn"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SysctlName(String);

/// The namespace that a parameter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SysctlNamespace {
    /// net.*
    Network,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// kernel.domainname.
    Uts,
}

const IPC: [&str; 10] = [
    "kernel.auto_msgmni",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.sem_next_id",
];

impl SysctlName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The namespace that it is a parameter of.
    pub fn namespace(&self) -> SysctlNamespace {
        match &*self.0 {
            name if name.starts_with("net.") => SysctlNamespace::Network,
            "kernel.domainname" => SysctlNamespace::Uts,
            _ => SysctlNamespace::Ipc,
        }
    }

    /// The file below /proc/sys.
    pub fn path(&self) -> String {
        // "net.ipv4.conf.eth0/100.forwarding" names the interface eth0.100, as sysctl(8) writes it.
        self.0
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect()
    }
}

impl Scalar for SysctlName {
    const EXPECTED: &'static str = "the name of a kernel parameter such as \"net.core.somaxconn\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+@:/".contains(&byte);
        let dotted = text.replace('/', ".");
        match text {
            _ if text.len() > 200 || !text.bytes().all(legal) => Err(refused()),
            // An empty part between two dots would be "//", and two slashes "..".
            _ if text.split('.').any(str::is_empty) || text.contains("//") => Err(refused()),
            _ if text.starts_with("net/") || text.starts_with("kernel/") || text.starts_with("fs/") => {
                Err(refused().help(format!("write \"{dotted}\"")))
            }
            _ if text.starts_with("net.") || text.starts_with("fs.mqueue.") || IPC.contains(&text) => {
                Ok(Self(text.to_owned()))
            }
            "kernel.domainname" => Ok(Self(text.to_owned())),
            "kernel.hostname" => Err(Refused::new("kernel.hostname has a key of its own").help("use hostname")),
            _ => Err(Refused::new(format!("{text} belongs to the host, not to a namespace of the container"))
                .help("set it in the host's /etc/sysctl.d/")),
        }
    }
}

impl fmt::Display for SysctlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(SysctlName, { "type": "string", "pattern": "^(net|kernel|fs\\.mqueue)\\." });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_namespace_owns() {
        let name: SysctlName = "net.ipv4.conf.eth0/100.forwarding".parse().unwrap();
        assert_eq!(name.path(), "net/ipv4/conf/eth0.100/forwarding");
        assert_eq!("kernel.shmmax".parse::<SysctlName>().unwrap().namespace(), SysctlNamespace::Ipc);
        for bad in
            ["", "net", "net.", "net..core", "net.//x", "kernel.core_pattern", "vm.swappiness", "kernel.hostname"]
        {
            assert!(bad.parse::<SysctlName>().is_err(), "{bad:?} was taken");
        }
        for bad in ["net/core/somaxconn", "net.core.x=1", "net.a b", "+net.core.x", "fs.file-max"] {
            assert!(bad.parse::<SysctlName>().is_err(), "{bad:?} was taken");
        }
    }
}
