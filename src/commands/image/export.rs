//! `soute image export`

use std::io::{IsTerminal, stdout};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::commands::bar;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::access::shown;
use crate::image::export::{Compression, stream, to_file};
use crate::image::store::{Image, Kind, Store};
use crate::settings::Host;

/// Writes an image to a file.
#[derive(Debug, Args)]
pub struct Export {
    /// The image.
    name: Name,
    /// The file, or - for standard output. It appears when it is whole, is for its owner alone, and is compressed by the
    /// suffix of its name: .gz, .zst, .xz, .bz2, .tgz and so on.
    file: PathBuf,
    /// What is written; it has to be what the image is.
    #[arg(long)]
    format: Option<Format>,
    /// Replace a file that is there.
    #[arg(long, short)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Of a tree.
    Tar,
    /// Of a raw image.
    Raw,
}

impl Export {
    /// Writes it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let image = Store::new(&host.layout)?.open(&self.name)?;
        self.refuse_other_format(&image)?;
        let bar = bar::new(format!("exporting {}", self.name));
        let mut progress = |done, total| bar::show(&bar, done, total);
        let written = if self.file == Path::new("-") {
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

    fn refuse_other_format(&self, image: &Image) -> Result<()> {
        let refuse = |is| Err(Error::new(Exit::Usage, format!("image {} is {is}", self.name)));
        match (self.format, image.info.kind) {
            (Some(Format::Raw), Kind::Tree) => refuse("a tree: it is exported as tar"),
            (Some(Format::Tar), Kind::Raw) => refuse("a raw file system: it is exported as raw"),
            _ => Ok(()),
        }
    }
}
