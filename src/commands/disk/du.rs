//! `soute disk du`

use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::commands::each;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::disk::{self, Disk, switch};
use crate::image::store::Kind;
use crate::image::tree::usage::{self, Usage};
use crate::output::table::Table;
use crate::output::{amount, json, stdout};
use crate::settings::Host;

/// Counts what disks take.
#[derive(Debug, Args)]
pub struct Du {
    /// The containers; all that have a disk, by default.
    #[arg(value_name = "NAME")]
    names: Vec<Name>,
    /// Print JSON, with numbers of bytes.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Disks {
    disks: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    image: String,
    used: u64,
    exclusive: u64,
    /// It is what the container ran on before its last update.
    kept: bool,
}

impl Du {
    /// Prints them. One that cannot be read is told of, and the others are counted.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let names: Vec<String> = match self.names.is_empty() {
            true => disk::names(&host.layout)?,
            false => self.names.iter().map(ToString::to_string).collect(),
        };
        let mut disks = Vec::new();
        let status = each(&names, |name| {
            let none = || Error::new(Exit::NotFound, format!("{name} has no disk"));
            let disk = disk::open(&host.layout, name)?.ok_or_else(none)?;
            disks.push(entry(name, disk, false)?);
            let kept = switch::kept(&host.layout, name)?.map(|kept| entry(name, kept.disk, true)).transpose()?;
            disks.extend(kept);
            Ok(())
        })?;
        stdout::write(&if self.json { json::document(&Disks { disks })? } else { table(&disks).to_string() })?;
        Ok(status)
    }
}

fn entry(name: &str, disk: Disk, kept: bool) -> Result<Entry> {
    let usage = match disk.kind()? {
        Some(Kind::Tree) => usage::tree(disk.root()?.as_fd()),
        Some(Kind::Raw) => usage::file(disk.raw()?.as_fd()),
        None => Ok(Usage::default()),
    };
    let Usage { used, exclusive } = usage.with_context(|| format!("cannot count the disk of {name}"))?;
    Ok(Entry { name: name.to_owned(), image: disk.record.image, used, exclusive, kept })
}

fn table(disks: &[Entry]) -> Table {
    let mut table = Table::new(["NAME", "IMAGE", "USED", "EXCLUSIVE"]);
    for Entry { name, image, used, exclusive, kept } in disks {
        let name = if *kept { format!("{name} (kept)") } else { name.clone() };
        table.row([name, image.clone(), amount::bytes(*used), amount::bytes(*exclusive)]);
    }
    table
}
