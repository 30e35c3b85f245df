//! What users type: one file a verb, each with its arguments and what it does with them.

mod attach;
mod cli;
mod exec;
mod image;
mod logs;
mod shell;

use std::process::ExitCode;

use clap::Parser;

use crate::definition::types::Name;
use crate::error::{Error, Result};
use crate::settings::Host;

pub use cli::Cli;

/// The whole of `soute`: only here anything is printed about a failure, and the exit status made.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match Host::load(&cli.root).and_then(|host| cli.verb.run(&host)) {
        Ok(status) => status,
        Err(error) => {
            report(&error);
            ExitCode::from(error.exit() as u8)
        }
    }
}

/// The voice of every failure.
pub fn report(error: &Error) {
    eprintln!("soute: {error}");
}

/// Tries all names, tells of each that failed, and ends as the first failure says.
pub fn each(names: &[Name], mut act: impl FnMut(&Name) -> Result<()>) -> Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for error in names.iter().filter_map(|name| act(name).err()) {
        report(&error);
        if status == ExitCode::SUCCESS {
            status = ExitCode::from(error.exit() as u8);
        }
    }
    Ok(status)
}

/// The container's unit.
pub fn unit(name: &str) -> String {
    format!("soute@{name}.service")
}
