//! `soute image`: the store.

mod import;
mod list;
mod remove;
mod show;
mod users;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Result;
use crate::settings::Host;

/// Brings images into the store, shows and removes them.
#[derive(Debug, Args)]
pub struct Image {
    #[command(subcommand)]
    verb: ImageVerb,
}

#[derive(Debug, Subcommand)]
enum ImageVerb {
    /// Bring a directory, a tar archive or a raw file-system image into the store.
    Import(import::Import),
    /// List the images of the store.
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Remove images from the store.
    #[command(visible_alias = "rm")]
    Remove(remove::Remove),
    /// Show where an image is from, and what it declares for containers.
    Show(show::Show),
}

impl Image {
    /// Does it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        match self.verb {
            ImageVerb::Import(import) => import.run(host),
            ImageVerb::List(list) => list.run(host),
            ImageVerb::Remove(remove) => remove.run(host),
            ImageVerb::Show(show) => show.run(host),
        }
    }
}
