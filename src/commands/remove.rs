//! `soute remove`

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::{disable, each, report, stop, unit};
use crate::definition::search;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::image::disk;
use crate::image::lock::Lock;
use crate::instances;
use crate::inventory::boot;
use crate::names;
use crate::plan;
use crate::settings::Host;
use crate::systemd::Manager;

/// Removes containers: definition, disk, and what starts them at boot. Volumes stay.
#[derive(Debug, Args)]
pub struct Remove {
    /// The containers, or disks that have no definition any more.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    /// Stop those that are running.
    #[arg(long, short)]
    force: bool,
    /// Keep the disk.
    #[arg(long)]
    keep_disk: bool,
    /// Keep the definition: the next start makes a new disk.
    #[arg(long)]
    keep_definition: bool,
}

impl Remove {
    /// All there is of these, running or not.
    pub fn all_of(names: Vec<Name>) -> Self {
        Self { names, force: true, keep_disk: false, keep_definition: false }
    }

    /// Removes them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = definitions::manager(host)?;
        let status = each(&self.names, |name| {
            for replica in targets::replicas(host, name)?.into_iter().flatten() {
                let action = || format!("cannot remove {replica}");
                self.remove(host, manager.as_ref(), &replica, true).with_context(action)?;
                Lock::forget(&host.layout, &replica)?;
            }
            if !self.keep_definition && search::find(&host.layout, name)?.is_some() {
                targets::refuse_replica(host, name).with_context(|| format!("cannot remove {name}"))?;
            }
            let traces = Traces::of(host, name)?;
            let loaded = match &manager {
                Some(manager) => manager.status(&unit(name))?.load != "not-found",
                None => false,
            };
            if !loaded && traces.is_empty() {
                return Err(definitions::unknown(name));
            }
            self.remove(host, manager.as_ref(), name, self.keep_definition)
                .with_context(|| format!("cannot remove {name}"))?;
            Lock::forget(&host.layout, name)
        });
        // What an earlier remove was killed over.
        disk::sweep(&host.layout).unwrap_or_else(|error| report(&error));
        status
    }

    /// The definition goes first, so that whatever happens next the container does not come back at boot; each step does
    /// nothing when it has been done already.
    fn remove(&self, host: &Host, manager: Option<&Manager>, name: &Name, keep_definition: bool) -> Result<()> {
        let _lock = Lock::try_name(&host.layout, name)?;
        // Again, now that nobody else changes it.
        let traces = Traces::of(host, name)?;
        if !keep_definition {
            traces.refuse_shipped(name)?;
        }
        if let Some(manager) = manager {
            if !self.force && is_running(manager, name)? {
                return Err(Error::new(Exit::Busy, "it is running (--force stops it)"));
            }
            stop::stop(host, manager, name)?;
        }
        if !keep_definition {
            disable::unlink(host, name)?;
            for path in &traces.definition {
                gone(path, remove_path(path))?;
            }
            // Before what it had goes: a power cut must not bring back a definition whose disk is lost.
            for directory in traces.definition.iter().filter_map(|path| path.parent()).collect::<BTreeSet<_>>() {
                let written = File::open(directory).and_then(|directory| directory.sync_all());
                written.with_context(|| format!("cannot write {}", directory.display()))?;
            }
        }
        let state = host.layout.state(name);
        gone(&state, fs::remove_dir_all(&state))?;
        plan::hide(&host.layout, name)?;
        names::leave(&host.layout, name)?;
        instances::remove(&host.layout, name)?;
        if !self.keep_disk {
            disk::remove(&host.layout, name)?;
        }
        Ok(())
    }
}

/// What there is of a container, but for its unit.
struct Traces {
    /// Files and directories in /etc and /run.
    definition: Vec<PathBuf>,
    /// A definition that belongs to a package.
    shipped: Option<PathBuf>,
    others: bool,
}

impl Traces {
    fn of(host: &Host, name: &Name) -> Result<Self> {
        let layout = &host.layout;
        let names = [format!("{name}.toml"), format!("{name}.toml.d")];
        let exists = |path: &PathBuf| path.symlink_metadata().is_ok();
        let [own, runtime, vendors @ ..] = layout.definition_dirs();
        let shipped = vendors.into_iter().map(|dir| dir.join(&names[0])).find(exists);
        let found = search::find(layout, name)?;
        // Without the mask the package's definition would be back.
        let masked = found.is_none() && shipped.is_some();
        let ours = [own, runtime].into_iter().flat_map(|dir| names.iter().map(move |name| dir.join(name)));
        let definition = if masked { Vec::new() } else { ours.filter(exists).collect() };
        let has_disk = layout.disks().join(name).symlink_metadata().is_ok();
        let others = has_disk || exists(&layout.state(name)) || !boot::links(host, name).is_empty();
        Ok(Self { definition, shipped: shipped.filter(|_| !masked), others })
    }

    fn is_empty(&self) -> bool {
        self.definition.is_empty() && self.shipped.is_none() && !self.others
    }

    fn refuse_shipped(&self, name: &Name) -> Result<()> {
        let Some(path) = &self.shipped else { return Ok(()) };
        Err(Error::failed(format!(
            "{} belongs to a package: remove the package, or mask it by an empty /etc/soute/containers/{name}.toml \
             (--keep-definition removes the disk alone)",
            path.display()
        )))
    }
}

/// Also between two automatic restarts, when systemd calls it activating.
pub fn is_running(manager: &Manager, name: &Name) -> Result<bool> {
    let status = manager.status(&unit(name))?;
    Ok(!matches!(status.active.as_str(), "inactive" | "failed") || status.job.is_some())
}

fn remove_path(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn gone(path: &Path, result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("cannot remove {}", path.display())),
    }
}
