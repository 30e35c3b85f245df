//! `soute image prune`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::users;
use crate::commands::report;
use crate::error::{Context, Exit, Result};
use crate::image::store::Store;
use crate::output::{amount, json, stdout};
use crate::settings::Host;

/// Removes the images that nothing names: no definition, no disk, and nothing that was started. Prints their names.
#[derive(Debug, Args)]
pub struct Prune {
    /// Only print them.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Pruned {
    removed: bool,
    images: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    size: Option<u64>,
}

impl Prune {
    /// Removes them. One that another command is at work on is left alone; other failures are told, and the rest goes.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let store = Store::new(&host.layout)?;
        let named = users::named(&host.layout).context("nothing is removed")?;
        if !self.dry_run {
            users::sweep_replaced(&host.layout)?;
        }
        let mut images = Vec::new();
        let mut status = ExitCode::SUCCESS;
        for name in store.names()?.into_iter().filter(|name| !named.contains(name)) {
            if !users::on_image(&host.layout, &name)?.is_empty() {
                continue;
            }
            let size = store.open(&name).ok().map(|image| image.info.size);
            let removed = match self.dry_run {
                true => Ok(()),
                false => store.remove(&host.layout, &name, users::on_image),
            };
            match removed {
                Ok(()) => images.push(Entry { name, size }),
                Err(error) => {
                    report(&error);
                    if error.exit() != Exit::Busy {
                        status = ExitCode::FAILURE;
                    }
                }
            }
        }
        if self.json {
            stdout::write(&json::document(&Pruned { removed: !self.dry_run, images })?)?;
        } else {
            stdout::write(&images.iter().map(|image| format!("{}\n", image.name)).collect::<String>())?;
            let sum = images.iter().filter_map(|image| image.size).sum();
            let verb = if self.dry_run { "would be removed" } else { "removed" };
            let plural = if images.len() == 1 { "" } else { "s" };
            eprintln!("{} image{plural} {verb}, {}", images.len(), amount::bytes(sum));
        }
        Ok(status)
    }
}
