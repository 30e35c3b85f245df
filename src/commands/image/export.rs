//! `soute image export`

use std::io::{IsTerminal, stdout};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::convert;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::copy::Progress;
use crate::image::export::{Compression, compression, stream, to_file};
use crate::image::oci::layout::{Described, Target};
use crate::image::store::{Image, Kind, Store};
use crate::image::tree::access::shown;
use crate::output::bar;
use crate::settings::Host;

/// Writes an image to a file.
#[derive(Debug, Args)]
pub struct Export {
    /// The image.
    name: Name,
    /// The file, or - for standard output. It appears when it is whole, is for its owner alone, and is compressed by the
    /// suffix of its name: .gz, .zst, .xz, .bz2, .tgz and so on. With --format oci a directory, or an archive if its name
    /// ends in .tar.
    file: PathBuf,
    /// What is written; tar and raw have to be what the image is.
    #[arg(long)]
    format: Option<Format>,
    /// Replace a file that is there, never a directory.
    #[arg(long, short)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Of a tree.
    Tar,
    /// Of a raw image.
    Raw,
    /// An OCI image layout with one layer, for other tools and their registries: of a tree, or of what is in a raw image.
    Oci,
}

impl Export {
    /// A file of this machine.
    pub fn has_files(&self) -> bool {
        self.file != Path::new("-")
    }

    /// Writes it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let image = Store::new(&host.layout)?.open(&self.name)?;
        self.refuse_other_format(&image)?;
        let bar = bar::new(format!("exporting {}", self.name));
        let mut progress = |done, total| bar::show(&bar, done, total);
        let written = if self.format == Some(Format::Oci) {
            self.layout(&image, &mut progress)
        } else if self.file == Path::new("-") {
            if stdout().is_terminal() {
                return Err(Error::new(Exit::Usage, "standard output is a terminal"));
            }
            stream(&image, stdout().as_fd(), Compression::No, &mut progress)
        } else {
            to_file(&image, &self.file, self.force, &mut progress)
        };
        bar.finish_and_clear();
        let left_out = written.with_context(|| format!("cannot export {} to {}", self.name, self.file.display()))?;
        for path in left_out {
            eprintln!("an archive has no sockets, leaving out: {}", shown(&path[1..]));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn layout(&self, image: &Image, progress: &mut Progress<'_>) -> Result<Vec<Vec<u8>>> {
        let archive = self.file.extension().is_some_and(|suffix| suffix == "tar");
        if self.file == Path::new("-") {
            return Err(Error::new(Exit::Usage, "a layout is a directory or a file: its digests are known at its end"));
        }
        if compression(&self.file) != Compression::No {
            let text = "the layer in it is compressed: an archive is called .tar, and a directory has no such suffix";
            return Err(Error::new(Exit::Usage, text));
        }
        image.pin()?;
        let tree = convert::root(image)?;
        let target = if archive { Target::archive(&self.file, self.force) } else { Target::directory(&self.file) }?;
        let described = Described { name: &self.name, declared: &image.info.declared };
        let (mut done, total) = (0, image.info.size);
        target.write(described, tree.as_fd(), &mut |bytes| {
            done += bytes;
            progress(done, Some(total));
        })
    }

    fn refuse_other_format(&self, image: &Image) -> Result<()> {
        let refuse = |is| Err(Error::new(Exit::Usage, format!("image {} is {is}", self.name)));
        match (self.format, image.info.kind) {
            (Some(Format::Raw), Kind::Tree) => refuse("a tree: it is exported as tar"),
            (Some(Format::Tar), Kind::Raw) => refuse("a raw file system: it is exported as raw"),
            _ => Ok(()),
        }
    }
}
