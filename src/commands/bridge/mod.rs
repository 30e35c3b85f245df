//! `soute bridge`: plain Linux bridges, for hosts where nothing else makes them.

mod create;
mod list;
pub mod persist;
mod remove;
pub mod survey;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Result;
use crate::settings::Host;

/// Makes, lists and removes bridges.
#[derive(Debug, Args)]
pub struct Bridge {
    #[command(subcommand)]
    verb: BridgeVerb,
}

#[derive(Debug, Subcommand)]
enum BridgeVerb {
    /// Make a bridge.
    ///
    /// By netlink alone, and gone at the next boot. The only route that comes with it is that to the network of an address;
    /// it has no IPv6 link-local address and takes no router advertisements, which could come from a container. Nothing
    /// leaves the host by it: that is for the administrator, by a network card that is made a port of it, or by routes.
    Create(create::Create),
    /// List all bridges of the host, and who uses each.
    ///
    /// MADE-BY is soute, or systemd-networkd where that has configured it; USED-BY are the containers whose definitions
    /// name it or whose ports are in it.
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Remove a bridge that soute made, and what --persist has written.
    ///
    /// Refused while anything is a port of it or a definition names it.
    #[command(visible_alias = "rm")]
    Remove(remove::Remove),
}

impl Bridge {
    /// Does it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        match self.verb {
            BridgeVerb::Create(create) => create.run(host),
            BridgeVerb::List(list) => list.run(host),
            BridgeVerb::Remove(remove) => remove.run(host),
        }
    }
}
