//! `soute image`: the store.

mod convert;
mod export;
pub mod import;
mod filesystem;
mod list;
mod prune;
mod pull;
mod remove;
mod rename;
mod show;
mod tag;
pub mod users;
mod verify;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Result;
use crate::settings::Host;

/// Brings images into the store, shows, copies out and removes them.
#[derive(Debug, Args)]
pub struct Image {
    #[command(subcommand)]
    verb: ImageVerb,
}

impl Image {
    /// What it does with files of the machine that it is typed on.
    pub fn files(&self) -> Option<&'static str> {
        match &self.verb {
            ImageVerb::Import(verb) => {
                verb.has_files().then_some("copy it there, or import from docker:// or https://")
            }
            ImageVerb::Export(verb) => verb.has_files().then_some("say - for FILE, and redirect"),
            _ => None,
        }
    }
}

#[derive(Debug, Subcommand)]
enum ImageVerb {
    /// Bring a directory, an archive, a raw file system, or an image from elsewhere into the store.
    Import(import::Import),
    /// Fetch an image from elsewhere, or again where it has changed.
    Pull(pull::Pull),
    /// List the images of the store.
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Remove images from the store.
    #[command(visible_alias = "rm")]
    Remove(remove::Remove),
    /// Show where an image is from, and what it declares for containers.
    Show(show::Show),
    /// Give an image a second name.
    ///
    /// The same content once more, which can be removed without the other: the two share their bytes, as a btrfs snapshot,
    /// by reflinks or by hard links, and nothing ever writes to an image.
    Tag(tag::Tag),
    /// Give an image another name.
    ///
    /// Containers that run keep what they have. A disk that was copied from it keeps the name that it had.
    Rename(rename::Rename),
    /// Remove the images that nothing names.
    ///
    /// No definition, no disk, and nothing that was started and not removed. Nothing is removed where that cannot be
    /// told, as a definition cannot be read.
    Prune(prune::Prune),
    /// Hold images against the digests in their records.
    ///
    /// Every file is read. Exit status 7 where one differs.
    Verify(verify::Verify),
    /// Make a raw file system of a tree, or a tree of a raw file system.
    ///
    /// Only a container on a raw disk can have a limit of disk space (disk.size). Names, owners, times, extended attributes,
    /// hard links and content of both are compared before there is a new image. It takes the programs of the file system:
    /// Debian's packages e2fsprogs, xfsprogs, btrfs-progs and erofs-utils.
    Convert(convert::Convert),
    /// Write an image to a file: a tar archive, or a raw file system.
    ///
    /// Imported again it has the same digest. The archive has numeric owners, extended attributes (ACLs and file
    /// capabilities among them), hard links and holes; GNU tar unpacks all of them with --xattrs --xattrs-include='*'.
    /// Sockets are left out, and told. What an image declares for containers is not in the file.
    Export(export::Export),
}

impl Image {
    /// Does it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        match self.verb {
            ImageVerb::Import(import) => import.run(host),
            ImageVerb::Pull(pull) => pull.run(host),
            ImageVerb::List(list) => list.run(host),
            ImageVerb::Remove(remove) => remove.run(host),
            ImageVerb::Show(show) => show.run(host),
            ImageVerb::Tag(tag) => tag.run(host),
            ImageVerb::Rename(rename) => rename.run(host),
            ImageVerb::Prune(prune) => prune.run(host),
            ImageVerb::Verify(verify) => verify.run(host),
            ImageVerb::Convert(convert) => convert.run(host),
            ImageVerb::Export(export) => export.run(host),
        }
    }
}
