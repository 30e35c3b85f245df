//! `soute cat`

use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::each;
use crate::definition::types::{Name, escaped};
use crate::error::Result;
use crate::host::definitions;
use crate::output::stdout;
use crate::settings::Host;

/// Shows the files of a container's definition as they are, lowest first: what holds for every container of this host,
/// the definition, its drop-ins.
#[derive(Debug, Args)]
pub struct Cat {
    /// The container.
    name: Name,
}

impl Cat {
    /// Prints them. A file that cannot be read is told of, and the others are shown.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let found = definitions::find(host, &self.name)?;
        let defaults = Some(host.layout.defaults()).filter(|path| path.exists());
        let files = defaults.iter().chain([&found.main]).chain(&found.drop_ins);
        let mut shown = Vec::new();
        let status = each(files, |file| section(file).map(|text| shown.push(text)))?;
        stdout::write(&shown.join("\n"))?;
        Ok(status)
    }
}

/// A file below a comment with its path, as systemctl cat has it.
fn section(path: &Path) -> Result<String> {
    let bytes = definitions::read(path)?;
    let content = String::from_utf8_lossy(&bytes);
    let end = if content.is_empty() || content.ends_with('\n') { "" } else { "\n" };
    Ok(format!("# {}\n{content}{end}", escaped(&path.to_string_lossy())))
}
