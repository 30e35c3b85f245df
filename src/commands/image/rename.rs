//! `soute image rename`

use std::process::ExitCode;

use clap::Args;

use super::users;
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::image::tag::rename;
use crate::settings::Host;

/// Gives an image another name. Containers that run keep what they have; refused where a definition names the image, or
/// a container was started from it which makes no copy to keep.
#[derive(Debug, Args)]
pub struct Rename {
    /// The image.
    name: Name,
    /// Its new name, which no image has.
    new: Name,
    /// Also where definitions name it; those containers cannot start any more, unless they have their disk.
    #[arg(long, short)]
    force: bool,
}

impl Rename {
    /// Does it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let Self { name, new, force } = self;
        let users = users::all(&host.layout)?;
        users::refuse(users.get(name.as_str()), force, "renames")
            .with_context(|| format!("cannot rename image {name}"))?;
        rename(&host.layout, &name, &new).map(|()| ExitCode::SUCCESS)
    }
}
