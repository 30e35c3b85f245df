//! `soute disk remove` and `soute disk prune`: snapshots that go.

use std::process::ExitCode;

use clap::Args;

use crate::commands::update::repair;
use crate::commands::{each, report};
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::disk::switch::{self, Pair};
use crate::image::disk::{self, Disk, snapshot};
use crate::image::lock::Lock;
use crate::output::stdout;
use crate::settings::Host;

/// Removes snapshots of a disk.
#[derive(Debug, Args)]
pub struct Remove {
    /// The container.
    name: Name,
    /// The snapshots.
    #[arg(required = true, value_name = "TAG")]
    tags: Vec<Name>,
}

/// Removes disks that updates have kept, and snapshots but the newest.
#[derive(Debug, Args)]
pub struct Prune {
    /// The containers; all that have a disk, by default.
    #[arg(value_name = "NAME")]
    names: Vec<Name>,
    /// Remove snapshots too, but as many of each disk as this.
    #[arg(long, value_name = "COUNT")]
    keep: Option<usize>,
    /// Remove nothing, only print what would go.
    #[arg(long)]
    dry_run: bool,
}

impl Remove {
    /// Removes them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let (disk, _lock) = held(host, &self.name)?;
        let status = each(&self.tags, |tag| snapshot::remove(&host.layout, &disk, tag));
        disk::sweep(&host.layout).unwrap_or_else(|error| report(&error));
        status
    }
}

impl Prune {
    /// Removes them, and prints each.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let names: Vec<String> = match self.names.is_empty() {
            true => disk::names(&host.layout)?,
            false => self.names.iter().map(ToString::to_string).collect(),
        };
        let status = each(&names, |name| {
            let (disk, _lock) = held(host, name)?;
            let all = snapshot::list(&disk).with_context(|| format!("disk of {name}"))?;
            let surplus = self.keep.map_or(0, |keep| all.len().saturating_sub(keep));
            for old in &all[..surplus] {
                if !self.dry_run {
                    snapshot::remove(&host.layout, &disk, &old.tag).with_context(|| format!("disk of {name}"))?;
                }
                stdout::write(&format!("{name} {}\n", old.tag))?;
            }
            drop((disk, _lock));
            self.kept(host, name)
        });
        disk::sweep(&host.layout).unwrap_or_else(|error| report(&error));
        status
    }
}

impl Prune {
    /// What a container ran on before its last update.
    fn kept(&self, host: &Host, name: &str) -> Result<()> {
        if switch::kept(&host.layout, name)?.is_none() && !switch::is_under_way(&host.layout, name) {
            return Ok(());
        }
        let parsed = name.parse().map_err(Error::from)?;
        let _held = repair::hold(host, &parsed)?;
        let pair = Pair::of(&host.layout, name)?;
        let Some(kept) = pair.kept()? else { return Ok(()) };
        if !self.dry_run {
            pair.prune()?;
        }
        stdout::write(&format!("{name} (the disk of before its update, a copy of {})\n", kept.image()))
    }
}

fn held(host: &Host, name: &str) -> Result<(Disk, Lock)> {
    let none = || Error::new(Exit::NotFound, format!("{name} has no disk"));
    let disk = disk::open(&host.layout, name)?.ok_or_else(none)?;
    Ok((disk, Lock::try_name(&host.layout, name)?))
}
