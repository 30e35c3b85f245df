//! `soute down`

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;

use super::cli::targets::{self, Target};
use super::remove::Remove;
use super::{each, must_exist, stop};
use crate::definition::search;
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::settings::Host;
use crate::systemd::Manager;

/// Stops groups, containers, or all definitions of a directory.
#[derive(Debug, Args)]
pub struct Down {
    /// Groups, containers, or directories that `soute up` was given, with those whose files are there no more.
    #[arg(required = true, value_name = "GROUP|NAME|DIR")]
    targets: Vec<Target>,
    /// Remove them as well, as `soute remove` does: definitions (of a directory the links, its files stay) and disks.
    /// Volumes stay.
    #[arg(long)]
    remove: bool,
}

impl Down {
    /// In the reverse of the order in which `up` starts them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let mut names = targets::in_order(host, self.containers(host)?)?;
        names.reverse();
        let manager = Manager::connect()?;
        let status = each(&names, |name| {
            must_exist(host, &manager, name)?;
            stop::stop(host, &manager, name).with_context(|| format!("cannot stop {name}"))
        })?;
        match self.remove && status == ExitCode::SUCCESS {
            true => Remove::all_of(definitions(host, names)?).run(host),
            false => Ok(status),
        }
    }
}

impl Down {
    /// Of a directory those too whose files are there no more.
    fn containers(&self, host: &Host) -> Result<Vec<Name>> {
        let mut names = Vec::new();
        for target in &self.targets {
            let forsaken = match target {
                Target::Directory(directory) => targets::forsaken(host, directory)?,
                Target::Name(_) => Vec::new(),
            };
            match targets::resolve(host, std::slice::from_ref(target)) {
                Ok(found) => names.extend(found),
                Err(error) if forsaken.is_empty() => return Err(error),
                // Not one of its files is left.
                Err(_) => {}
            }
            names.extend(forsaken);
        }
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Ok(names)
    }
}

/// Replicas go with the definition that they are of.
fn definitions(host: &Host, names: Vec<Name>) -> Result<Vec<Name>> {
    let mut definitions = Vec::new();
    for name in names {
        let of = search::find(&host.layout, &name)?.and_then(|found| found.replica).map(|replica| replica.of);
        let definition = of.unwrap_or(name);
        if !definitions.contains(&definition) {
            definitions.push(definition);
        }
    }
    Ok(definitions)
}
