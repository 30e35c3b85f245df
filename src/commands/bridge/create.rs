//! `soute bridge create`

use std::process::ExitCode;

use clap::Args;

use super::persist;
use crate::definition::types::{Cidr, InterfaceName};
use crate::error::{Context, Error, Exit, Result};
use crate::host::facts::machine_id;
use crate::network::Netlink;
use crate::network::bridge::NewBridge;
use crate::plan;
use crate::settings::Host;
use crate::systemd::Manager;

/// Makes a bridge.
#[derive(Debug, Args)]
pub struct Create {
    /// What to call it, up to 15 bytes.
    #[arg(value_name = "BRIDGE")]
    name: InterfaceName,
    /// An address of the host on it, such as 10.88.0.1/24; can be given several times.
    #[arg(long, value_name = "CIDR")]
    address: Vec<Cidr>,
    /// The largest packet; 1500.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(68..=65535))]
    mtu: Option<u32>,
    /// Keep VLANs apart, which `vlan` and `tagged` in a definition need.
    #[arg(long)]
    vlan_filtering: bool,
    /// Write files for systemd-networkd, which makes it again at each boot.
    #[arg(long)]
    persist: bool,
}

impl Create {
    /// First the files, then the bridge: what cannot be written down is not made.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let name = self.name.to_string();
        let v6 = self.address.iter().any(|cidr| cidr.address.is_ipv6());
        if v6 && self.mtu.is_some_and(|mtu| mtu < 1280) {
            return Err(Error::new(Exit::Usage, "IPv6 needs an --mtu of at least 1280"));
        }
        let new = NewBridge {
            mac: plan::bridge_mac(&machine_id(host)?, &name),
            name: name.clone(),
            mtu: self.mtu,
            vlan_filtering: self.vlan_filtering,
            addresses: self.address,
        };
        let written = self.persist.then(|| persist::write(&host.layout, &new)).transpose();
        let written = written.with_context(|| format!("cannot write bridge {name} down"))?;
        let made = Netlink::open()?.make_bridge(&new);
        let exists = || Err(Error::failed(format!("cannot create bridge {name}: a link of that name exists")));
        if let Err(error) = made.and_then(|made| if made { Ok(()) } else { exists() }) {
            if written.is_some() {
                persist::remove(&host.layout, &name)?;
            }
            return Err(error);
        }
        if let Some(paths) = written {
            paths.iter().for_each(|path| eprintln!("soute: wrote {}", path.display()));
            if !networkd_runs()? {
                eprintln!(
                    "soute: systemd-networkd is not running: {name} comes back at the next boot only if that is enabled by \
                     then (systemctl enable systemd-networkd)"
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn networkd_runs() -> Result<bool> {
    Ok(Manager::connect()?.status("systemd-networkd.service")?.active == "active")
}
