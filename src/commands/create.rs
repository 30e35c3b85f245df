//! `soute create`

use std::process::ExitCode;

use clap::Args;

use super::flags::Flags;
use crate::definition::search;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::image::store::Store;
use crate::rewrite::definition_file;
use crate::settings::Host;

/// Writes the definition of a container. It is checked first, and never written over another one.
#[derive(Debug, Args)]
pub struct Create {
    /// The container.
    name: Name,
    /// The image in the store that its disk will be a copy of.
    #[arg(long)]
    image: Name,
    /// Start it at boot.
    #[arg(long)]
    autostart: bool,
    #[command(flatten)]
    flags: Flags,
    /// The command, without a shell, and its arguments; by default the image's.
    #[arg(help_heading = None, last = true, value_name = "CMD")]
    command: Vec<String>,
}

impl Create {
    /// Nothing is written unless all of it is right.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let name = &self.name;
        self.write(host).with_context(|| format!("cannot create {name}"))?;
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, host: &Host) -> Result<()> {
        if let Some(found) = search::find(&host.layout, &self.name)? {
            return Err(Error::failed(format!("{} is there already", found.main.display())));
        }
        must_have_image(host, &self.image)?;
        let mut layer = self.flags.layer(&self.image, &self.command)?;
        if self.autostart {
            layer.set("autostart", true);
        }
        definitions::load_flags(host, &self.name, layer.to_toml()?, definitions::systemd_version(host))?;
        definition_file::create(&host.layout.own_definitions().join(format!("{}.toml", self.name)), &layer.text())
    }
}

/// Exit status 4 for an image that is not in the store.
pub fn must_have_image(host: &Host, image: &Name) -> Result<()> {
    match Store::new(&host.layout)?.open(image) {
        Err(error) if error.exit() == Exit::NotFound => Err(error),
        other => other.map(drop),
    }
}
