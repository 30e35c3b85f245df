//! `soute commit`

use std::process::ExitCode;

use clap::Args;

use super::image::users;
use super::remove::is_running;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::image::disk::{self, commit};
use crate::image::import::Options;
use crate::image::lock::Lock;
use crate::output::{amount, bar};
use crate::settings::Host;

/// Makes an image of a stopped container's disk. It declares what the image declares that the disk is a copy of.
#[derive(Debug, Args)]
pub struct Commit {
    /// The container.
    name: Name,
    /// What the image will be called.
    image: Name,
    /// Take the place of an image of that name.
    #[arg(long)]
    replace: bool,
}

impl Commit {
    /// Makes it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let Self { name, image, replace } = &self;
        let action = || format!("cannot commit {name}");
        let _lock = stopped(host, name).with_context(action)?;
        users::sweep_replaced(&host.layout)?;
        let options = Options { replace: *replace, on_image: Some(users::on_image), ..Options::default() };
        let bar = bar::new(format!("committing {name}"));
        let made = commit::commit(&host.layout, name, image, &options, &mut |done, total| bar::show(&bar, done, total));
        bar.finish_and_clear();
        let info = made.with_context(action)?;
        eprintln!("{image}: {} of {}, {}", users::kind(&info), amount::bytes(info.size), info.digest);
        Ok(ExitCode::SUCCESS)
    }
}

/// Holds a container that does not run: no command starts it for as long as this is held.
pub fn stopped(host: &Host, name: &Name) -> Result<Lock> {
    let manager = definitions::manager(host)?;
    // Without a disk there is nothing to hold, and a lock would be left for a name that nobody has.
    disk::open(&host.layout, name)?.ok_or_else(|| Error::new(Exit::NotFound, format!("{name} has no disk")))?;
    let lock = Lock::try_name(&host.layout, name)?;
    match manager {
        Some(manager) if is_running(&manager, name)? => {
            Err(Error::new(Exit::Busy, "it is running: soute stop it first"))
        }
        _ => Ok(lock),
    }
}
