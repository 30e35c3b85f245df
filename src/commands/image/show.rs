//! `soute image show`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::users;
use crate::definition::types::{Name, escaped};
use crate::error::{Error, Result};
use crate::image::store::{ImageInfo, Store};
use crate::output::{json, stdout};
use crate::settings::Host;

/// Shows where an image is from, and what it declares for containers: its image.toml.
#[derive(Debug, Args)]
pub struct Show {
    /// The image.
    name: Name,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    name: String,
    #[serde(flatten)]
    info: ImageInfo,
    used_by: Vec<String>,
}

impl Show {
    /// Prints it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let image = Store::new(&host.layout)?.open(&self.name)?;
        let used_by = users::all(&host.layout)?.remove(&image.name).unwrap_or_default().into_iter().collect();
        if self.json {
            stdout::write(&json::document(&Shown { name: image.name, info: image.info, used_by })?)?;
        } else {
            // Whoever made the image wrote some of it.
            let text = toml::to_string(&image.info).map_err(Error::failed)?;
            stdout::write(&text.lines().map(|line| escaped(line) + "\n").collect::<String>())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
