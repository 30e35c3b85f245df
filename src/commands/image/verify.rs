//! `soute image verify`

use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::Args;

use crate::commands::each;
use crate::definition::types::Name;
use crate::error::{Error, Exit, Result};
use crate::image::store::{Image, Kind, Store};
use crate::image::tree::digest;
use crate::output::stdout;
use crate::settings::Host;

/// Reads every file of images and holds what it finds against the digests in their records: exit status 7 where one
/// differs.
#[derive(Debug, Args)]
pub struct Verify {
    /// The images.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Verify {
    /// Verifies them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let store = Store::new(&host.layout)?;
        each(&self.names, |name| {
            let image = store.open(name)?;
            verify(&image)?;
            stdout::write(&format!("{name}: ok\n"))
        })
    }
}

fn verify(image: &Image) -> Result<()> {
    image.pin()?;
    let found = match image.info.kind {
        Kind::Tree => digest::tree(image.root()?.as_fd())?,
        Kind::Raw => digest::file(image.raw()?.as_fd())?,
    };
    let Image { name, info, .. } = image;
    if found.digest == info.digest {
        return Ok(());
    }
    let message = format!("image {name} differs from its record: it is {}, and was {}", found.digest, info.digest);
    Err(Error::new(Exit::Differs, message))
}
