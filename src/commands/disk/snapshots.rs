//! `soute disk snapshots`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::commands::each;
use crate::definition::types::Name;
use crate::error::{Error, Exit, Result};
use crate::image::copy::CopyMethod;
use crate::image::disk::{self, snapshot};
use crate::output::table::Table;
use crate::output::{json, stdout};
use crate::settings::Host;

/// Lists snapshots, the oldest of each disk first.
#[derive(Debug, Args)]
pub struct Snapshots {
    /// The containers; all that have a disk, by default.
    #[arg(value_name = "NAME")]
    names: Vec<Name>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    snapshots: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    name: String,
    tag: String,
    taken: String,
    image: String,
    digest: String,
    copied: CopyMethod,
    frozen_microseconds: Option<u64>,
}

impl Snapshots {
    /// Prints them. A disk that cannot be read is told of.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let names: Vec<String> = match self.names.is_empty() {
            true => disk::names(&host.layout)?,
            false => self.names.iter().map(ToString::to_string).collect(),
        };
        let mut snapshots = Vec::new();
        let status = each(&names, |name| {
            let none = || Error::new(Exit::NotFound, format!("{name} has no disk"));
            let disk = disk::open(&host.layout, name)?.ok_or_else(none)?;
            snapshots.extend(snapshot::list(&disk)?.into_iter().map(|found| Entry {
                name: name.clone(),
                tag: found.tag,
                taken: found.record.taken,
                image: found.record.disk.image,
                digest: found.record.disk.digest,
                copied: found.record.copied,
                frozen_microseconds: found.record.frozen,
            }));
            Ok(())
        })?;
        let text = match self.json {
            true => json::document(&Document { snapshots })?,
            false => table(snapshots).to_string(),
        };
        stdout::write(&text)?;
        Ok(status)
    }
}

fn table(snapshots: Vec<Entry>) -> Table {
    let mut table = Table::new(["NAME", "TAG", "TAKEN", "IMAGE", "COPY", "FROZEN"]);
    for Entry { name, tag, taken, image, copied, frozen_microseconds, .. } in snapshots {
        let frozen = frozen_microseconds.map(|us| format!("{}.{} ms", us / 1000, us % 1000 / 100));
        table.row([name, tag, taken, image, copied.to_string(), frozen.unwrap_or_default()]);
    }
    table
}
