//! `soute disable`

use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::{each, stop};
use crate::definition::search;
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::host::definitions;
use crate::inventory::boot;
use crate::rewrite::autostart;
use crate::settings::Host;
use crate::systemd::Manager;

/// Keeps containers from starting at boot: autostart = false where a definition says true, and what systemctl enable has
/// made is undone.
#[derive(Debug, Args)]
pub struct Disable {
    /// The containers.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    /// Stop them as well.
    #[arg(long)]
    now: bool,
}

impl Disable {
    /// Links without a definition are removed too.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        each(&self.names, |name| {
            let action = || format!("cannot disable {name}");
            let found = search::find(&host.layout, name)?;
            if found.is_none() && boot::links(host, name).is_empty() {
                return Err(definitions::unknown(name));
            }
            unlink(host, name).with_context(action)?;
            if let Some(found) = found {
                targets::refuse_replica(host, name)?;
                autostart::set(host, &found, false).with_context(action)?;
            }
            match self.now {
                true => {
                    let manager = Manager::connect()?;
                    let stop =
                        |name: &Name| stop::stop(host, &manager, name).with_context(|| format!("cannot stop {name}"));
                    targets::containers(host, std::slice::from_ref(name))?.iter().try_for_each(stop)
                }
                false => Ok(()),
            }
        })
    }
}

/// Undoes `systemctl enable soute-start@NAME`. systemd looks at the links again when it next reads its unit files.
pub fn unlink(host: &Host, name: &Name) -> Result<()> {
    for link in boot::links(host, name) {
        std::fs::remove_file(&link).with_context(|| format!("cannot remove {}", link.display()))?;
        eprintln!("removed {}", link.display());
    }
    Ok(())
}
