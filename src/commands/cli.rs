//! The command line as a whole.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{exec, image, logs, shell};
use crate::error::Result;
use crate::settings::Host;

/// Containers as plain systemd units.
#[derive(Debug, Parser)]
#[command(name = "soute", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// Look for all of soute's files below DIR.
    #[arg(long, value_name = "DIR", default_value = "/", env = "SOUTE_ROOT", global = true, hide_env_values = true)]
    pub root: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a command in a running container.
    Exec(exec::Exec),
    /// Open a shell in a running container.
    Shell(shell::Shell),
    /// Show the log of a container, by journalctl.
    Logs(logs::Logs),
    /// Bring images into the store, show and remove them.
    Image(image::Image),
}

impl Verb {
    /// Does it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        match self {
            Self::Exec(exec) => exec.run(host),
            Self::Shell(shell) => shell.run(host),
            Self::Logs(logs) => logs.run(host),
            Self::Image(image) => image.run(host),
        }
    }
}
