//! `soute shell`

use std::process::ExitCode;

use clap::Args;
use rustix::stdio::stdin;
use rustix::termios::isatty;

use super::exec::{Exec, Overrides};
use crate::definition::types::Name;
use crate::error::Result;
use crate::settings::Host;

/// Opens a shell in a running container: that of the user in the container's /etc/passwd, else bash, else sh.
#[derive(Debug, Args)]
pub struct Shell {
    #[command(flatten)]
    process: Overrides,
    /// The container.
    name: Name,
}

impl Shell {
    /// `exec -it`, or without a terminal for a script on standard input `exec -i`.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let Self { process, name } = self;
        Exec { interactive: true, tty: isatty(stdin()), process, name, command: Vec::new() }.run(host)
    }
}
