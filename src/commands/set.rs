//! `soute set`

use std::process::ExitCode;

use clap::Args;

use super::apply::{How, apply};
use super::cli::targets::Target;
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::host::definitions;
use crate::image::lock::Lock;
use crate::rewrite::drafts::{self, Assignment};
use crate::settings::Host;

/// Changes keys of a definition, and applies them.
#[derive(Debug, Args)]
pub struct Set {
    /// The container.
    name: Name,
    /// Keys with dots, and values as in the definition; quotes around a string may be left out. Without a value the key is
    /// removed.
    #[arg(required = true, value_name = "KEY=VALUE")]
    assignments: Vec<Assignment>,
    #[command(flatten)]
    how: How,
}

impl Set {
    /// A definition that would have faults is left as it was.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        {
            let _lock = Lock::name(&host.layout, &self.name)?;
            let found = definitions::find(host, &self.name)?;
            drafts::set(host, &found, &self.assignments).with_context(|| format!("cannot set {}", self.name))?;
        }
        match definitions::manager(host)? {
            Some(manager) => apply(host, &manager, &[Target::Name(self.name)], self.how, false),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}
