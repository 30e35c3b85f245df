//! What users type: a file or a folder a verb, each with its arguments and what it does with them; and four folders for several
//! verbs: `cli` the command line, `flags` what mirrors a definition, `launch` the way to a running container, `live` what runs
//! beside what is written.

mod apply;
mod audit;
mod bridge;
mod cat;
mod check;
mod cli;
mod commit;
mod cp;
mod create;
mod diff;
mod disable;
mod disk;
mod doctor;
mod down;
mod edit;
mod enable;
mod events;
mod exec;
mod export;
mod flags;
mod image;
mod import;
mod kill;
mod launch;
mod list;
mod live;
mod logs;
mod machine;
mod network;
mod pause;
mod pull;
mod reload;
mod remove;
mod restart;
mod resume;
mod rollback;
mod run;
mod scale;
mod set;
mod shell;
mod show;
mod start;
mod stats;
mod status;
mod stop;
mod unit;
mod up;
mod update;
mod verify;
mod wait;

use std::process::ExitCode;

use clap::Parser;

use crate::definition::search;
use crate::definition::types::{Name, escaped};
use crate::error::{Error, Exit, Result};
use crate::image::disk as disks;
use crate::inventory;
use crate::settings::Host;
use crate::systemd::Manager;

pub use cli::Cli;

/// The whole of `soute`: only here anything is printed about a failure, and the exit status made.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => return cli::usage::refuse(&refused),
    };
    match cli.run() {
        Ok(status) => status,
        Err(error) => {
            report(&error);
            ExitCode::from(error.exit() as u8)
        }
    }
}

/// The voice of every failure. It may repeat what a payload, an image or a file name says: nothing for a terminal to obey.
pub fn report(error: &Error) {
    let text: Vec<_> = error.to_string().lines().map(escaped).collect();
    let refused = error.exit() == Exit::NotPermitted && !rustix::process::geteuid().is_root();
    let hint = if refused { " (not permitted: are you root?)" } else { "" };
    eprintln!("soute: {}{hint}", text.join("\n"));
}

/// Tries all, tells of each that failed, and ends as the first failure says.
pub fn each<T>(all: impl IntoIterator<Item = T>, mut act: impl FnMut(T) -> Result<()>) -> Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for error in all.into_iter().filter_map(|one| act(one).err()) {
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

/// Exit status 4 for a name that neither a definition, nor a disk, nor systemd knows.
pub fn must_exist(host: &Host, manager: &Manager, name: &Name) -> Result<()> {
    must_be_one(host, name)?;
    let known = search::find(&host.layout, name)?.is_some()
        || inventory::permitted(disks::open(&host.layout, name))?.is_some()
        || manager.status(&unit(name))?.load != "not-found";
    if known { Ok(()) } else { Err(Error::new(Exit::NotFound, format!("no container is called {name}"))) }
}

/// Exit status 4 for a definition with replicas, which is no container itself.
pub fn must_be_one(host: &Host, name: &Name) -> Result<()> {
    let Some(replicas) = cli::targets::replicas(host, name)? else { return Ok(()) };
    let message = match &replicas[..] {
        [] => format!("{name} is no container now: it has replicas = 0"),
        [one] => format!("{name} is the container {one}"),
        [first, .., last] => format!("{name} is {} containers, {first} to {last}", replicas.len()),
    };
    Err(Error::new(Exit::NotFound, message))
}

/// Exit status 3 for a container that is not running.
pub fn must_run(host: &Host, manager: &Manager, name: &Name) -> Result<()> {
    must_exist(host, manager, name)?;
    match manager.status(&unit(name))?.active.as_str() {
        "active" | "reloading" | "activating" | "deactivating" => Ok(()),
        _ => Err(Error::new(Exit::NotRunning, format!("{name} is not running"))),
    }
}
