//! `soute image remove`

use std::process::ExitCode;

use clap::Args;

use super::users;
use crate::commands::each;
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::image::store::Store;
use crate::settings::Host;

/// Removes images from the store. Refused for one that a definition names, or that a container was started from which
/// makes no copy to keep.
#[derive(Debug, Args)]
pub struct Remove {
    /// The images.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    /// Also those that definitions name; those containers cannot start any more, unless they have their disk.
    #[arg(long, short)]
    force: bool,
}

impl Remove {
    /// Removes them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let store = Store::new(&host.layout)?;
        users::sweep_replaced(&host.layout)?;
        let users = users::all(&host.layout)?;
        each(&self.names, |name| {
            let refused = users::refuse(users.get(name.as_str()), self.force, "removes");
            refused.with_context(|| format!("cannot remove image {name}"))?;
            store.remove(&host.layout, name, users::on_image)
        })
    }
}
