//! `soute bridge remove`

use std::process::ExitCode;

use clap::Args;

use super::persist;
use super::survey::{Survey, is_ours};
use crate::commands::each;
use crate::definition::types::InterfaceName;
use crate::error::{Context, Error, Exit, Result};
use crate::layout::Layout;
use crate::network::Netlink;
use crate::settings::Host;

/// Removes bridges that soute made.
#[derive(Debug, Args)]
pub struct Remove {
    /// The bridges.
    #[arg(required = true, value_name = "BRIDGE")]
    names: Vec<InterfaceName>,
    /// Although it has ports, or definitions name it. Containers in it run on with a link that leads nowhere.
    #[arg(short, long)]
    force: bool,
}

impl Remove {
    /// All are tried.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        each(&self.names, |name| {
            remove(&host.layout, name, self.force).with_context(|| format!("cannot remove bridge {name}"))
        })
    }
}

fn remove(layout: &Layout, name: &str, force: bool) -> Result<()> {
    let survey = Survey::take(layout)?;
    let Some(bridge) = survey.wires.iter().find(|wire| wire.name == name) else {
        // What networkd would make at the next boot can be taken away before it.
        return match persist::remove(layout, name)? {
            true => Ok(()),
            false => Err(Error::new(Exit::NotFound, "it does not exist")),
        };
    };
    if !bridge.is_bridge() {
        return Err(Error::failed("it is not a bridge"));
    }
    if !is_ours(layout, bridge) {
        return Err(Error::failed("soute did not make it"));
    }
    if !force {
        let ports: Vec<_> = survey.ports(bridge).into_iter().map(|port| port_words(&survey, port)).collect();
        if !ports.is_empty() {
            return Err(persist::busy(format!("{} in it (--force removes it)", ports.join(", "))));
        }
        if let Some(names) = survey.named.get(name) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let verb = if names.len() == 1 { "names" } else { "name" };
            return Err(persist::busy(format!("{} {verb} it (--force removes it)", names.join(", "))));
        }
    }
    persist::remove(layout, name)?;
    Netlink::open()?.remove_bridge(bridge.index, name)
}

fn port_words(survey: &Survey, port: &crate::network::topology::Wire) -> String {
    match survey.end(port) {
        Some(end) => format!("{} of {}", end.link, end.container),
        None => port.name.clone(),
    }
}
