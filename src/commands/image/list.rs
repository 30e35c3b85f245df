//! `soute image list`

use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::users::{self, kind};
use crate::commands::each;
use crate::error::{Context, Result};
use crate::image::store::{Image, ImageInfo, Kind, Store, Verified};
use crate::image::tree::usage;
use crate::output::table::Table;
use crate::output::{amount, json, stdout};
use crate::settings::Host;

/// Lists the images of the store, and the containers that need each.
#[derive(Debug, Args)]
pub struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Count exclusive bytes of trees too, which asks for the blocks of every file.
    #[arg(long)]
    exclusive: bool,
}

#[derive(Serialize)]
struct Images {
    images: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    name: String,
    #[serde(flatten)]
    info: ImageInfo,
    exclusive: Option<u64>,
    used_by: Vec<String>,
}

impl List {
    /// Prints the list. An image that cannot be read is told of, and the others are listed.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let mut users = users::all(&host.layout)?;
        let mut images = Vec::new();
        let status = each(Store::new(&host.layout)?.list()?, |(name, image)| {
            let image = image.with_context(|| format!("cannot read image {name}"))?;
            let used_by = users.remove(&name).unwrap_or_default().into_iter().collect();
            let exclusive = self.exclusive(&image);
            images.push(Entry { name, info: image.info, exclusive, used_by });
            Ok(())
        })?;
        stdout::write(&if self.json { json::document(&Images { images })? } else { table(&images).to_string() })?;
        Ok(status)
    }

    /// What comes free when the image goes: the answer for one file, and a walk for a tree. None where it cannot be read,
    /// which `verify` tells.
    fn exclusive(&self, image: &Image) -> Option<u64> {
        let usage = match image.info.kind {
            Kind::Raw => usage::file(image.raw().ok()?.as_fd()),
            Kind::Tree if self.exclusive => usage::tree(image.root().ok()?.as_fd()),
            Kind::Tree => return None,
        };
        usage.ok().map(|usage| usage.exclusive)
    }
}

fn table(images: &[Entry]) -> Table {
    let mut table =
        Table::new(["NAME", "KIND", "SIZE", "EXCLUSIVE", "CREATED", "DIGEST", "VERIFIED", "ORIGIN", "USED-BY"]);
    for Entry { name, info, exclusive, used_by } in images {
        table.row([
            name.clone(),
            kind(info).to_owned(),
            amount::bytes(info.size),
            exclusive.map(amount::bytes).unwrap_or_default(),
            info.created.clone(),
            short(info.manifest.as_ref().unwrap_or(&info.digest)).to_owned(),
            info.verified.map_or("local", Verified::as_str).to_owned(),
            info.origin.clone(),
            used_by.join(","),
        ]);
    }
    table
}

/// Twelve digits of a digest, which tell the images of a host apart.
fn short(digest: &str) -> &str {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.get(..12).unwrap_or(hex)
}
