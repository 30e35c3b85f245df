//! `soute disk list`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::commands::each;
use crate::definition::search;
use crate::error::{Error, Result};
use crate::image::copy::CopyMethod;
use crate::image::disk::{self, DiskRecord, snapshot, switch};
use crate::image::store::Kind;
use crate::output::table::Table;
use crate::output::{json, stdout};
use crate::settings::Host;

/// Lists disks.
#[derive(Debug, Args)]
pub struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Disks {
    disks: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    name: String,
    image: String,
    digest: Option<String>,
    kind: Option<Kind>,
    copied: Option<CopyMethod>,
    created: Option<String>,
    first_id: Option<u32>,
    shifted: bool,
    rolled_back_to: Option<String>,
    snapshots: usize,
    kept: Option<KeptDisk>,
    orphan: bool,
}

/// What it was before its last update.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct KeptDisk {
    image: String,
    digest: String,
    since: Option<String>,
}

impl List {
    /// Prints the list. A disk that cannot be read is told of, and the others are listed.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let defined = search::all(&host.layout)?.found;
        let mut disks = Vec::new();
        let status = each(disk::names(&host.layout)?, |name| {
            // Begun, and cut off before it was anything: the next start goes on with it.
            if disk::open(&host.layout, &name).is_ok_and(|disk| disk.is_none()) {
                return Ok(());
            }
            let orphan = !defined.iter().any(|found| *found.name == name);
            entry(host, &name, orphan).map(|entry| disks.push(entry))
        })?;
        stdout::write(&if self.json { json::document(&Disks { disks })? } else { table(&disks).to_string() })?;
        Ok(status)
    }
}

fn entry(host: &Host, name: &str, orphan: bool) -> Result<Entry> {
    let disk =
        disk::open(&host.layout, name)?.ok_or_else(|| Error::failed(format!("the disk of {name} has no record")))?;
    let kind = disk.kind()?;
    let snapshots = snapshot::list(&disk)?.len();
    let kept = switch::kept(&host.layout, name)?.map(|kept| KeptDisk {
        image: kept.disk.record.image,
        digest: kept.disk.record.digest,
        since: kept.since,
    });
    let DiskRecord { image, digest, ids, shifted, copied, created, snapshot, .. } = disk.record;
    // What a record says of a copy that is not there is about the last one.
    let of_copy = |text: String| Some(text).filter(|text| kind.is_some() && !text.is_empty());
    Ok(Entry {
        name: name.to_owned(),
        image,
        digest: of_copy(digest),
        kind,
        copied: copied.filter(|_| kind.is_some()),
        created: created.and_then(of_copy),
        first_id: ids,
        shifted,
        rolled_back_to: snapshot,
        snapshots,
        kept,
        orphan,
    })
}

fn table(disks: &[Entry]) -> Table {
    let mut table = Table::new(["NAME", "IMAGE", "KIND", "COPY", "CREATED", "IDS", "SNAPSHOTS", "NOTE"]);
    for disk in disks {
        let kind = match disk.kind {
            Some(Kind::Tree) => "tree",
            Some(Kind::Raw) => "raw",
            None => "",
        };
        table.row([
            disk.name.clone(),
            disk.image.clone(),
            kind.to_owned(),
            disk.copied.map(|method| method.to_string()).unwrap_or_default(),
            disk.created.clone().unwrap_or_default(),
            disk.first_id.map(|first| first.to_string()).unwrap_or_default(),
            Some(disk.snapshots).filter(|count| *count > 0).map(|count| count.to_string()).unwrap_or_default(),
            note(disk),
        ]);
    }
    table
}

fn note(disk: &Entry) -> String {
    let kept = disk.kept.as_ref().map(|kept| format!("the one before, of {}, is kept", kept.image));
    let orphan = disk.orphan.then(|| "orphan".to_owned());
    orphan.into_iter().chain(kept).collect::<Vec<_>>().join(", ")
}
