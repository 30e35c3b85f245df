//! `soute update`: another image, or the image as it is now, with a way back.

mod definition;
pub mod one;
mod prove;
pub mod repair;
pub mod roll;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::cli::targets;
use super::each;
use crate::definition::types::{Name, Scalar, Span};
use crate::error::{Context, Result};
use crate::settings::Host;
use crate::systemd::Manager;
use definition::Edit;
use one::{Outcome, Updater};
pub use prove::Terms;

/// Puts containers on a new disk, and back on the old one if they do not work there.
#[derive(Debug, Args)]
pub struct Update {
    /// The containers, or definitions with replicas.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    /// The image, which the definition names then; by default the one that it names, if that has another content by now.
    #[arg(long, short)]
    image: Option<Name>,
    /// How long one may take to be ready, and healthy if its definition has a check; the copying of the image not counted.
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = time)]
    timeout: Duration,
    /// How long it must then run on: longer for what may die after a minute.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    settle: Duration,
}

fn time(typed: &str) -> Result<Duration, String> {
    Span::text(typed).map(|span| span.0).map_err(|refused| refused.message)
}

impl Update {
    /// Each in turn, and of a definition with replicas one after the other.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        let updater = Updater::new(host, &manager, Terms { timeout: self.timeout, settle: self.settle });
        each(&self.names, |name| {
            update(&updater, name, self.image.as_ref()).with_context(|| format!("cannot update {name}"))
        })
    }
}

fn update(updater: &Updater<'_>, name: &Name, image: Option<&Name>) -> Result<()> {
    if image.is_some() {
        targets::refuse_replica(updater.host, name)?;
    }
    let edit = image.map(|image| Edit::to_image(updater.host, name, image)).transpose()?.flatten();
    match targets::replicas(updater.host, name)? {
        Some(replicas) => roll::update(updater, name, &replicas, edit.as_ref()),
        None => updater.update(name, edit.as_ref()).map(|outcome| tell(name, outcome)),
    }
}

fn tell(name: &Name, outcome: Outcome) {
    match outcome {
        Outcome::UpToDate => eprintln!("{name}: up to date"),
        Outcome::NoDisk => eprintln!("{name}: it has no disk, its next start makes one"),
        Outcome::Prepared => {
            eprintln!("{name}: it does not run, its next start is on the new disk; the old one is kept")
        }
        Outcome::Updated => {
            eprintln!("{name}: updated; the old disk is kept (soute rollback {name}, soute disk prune {name})")
        }
    }
}
