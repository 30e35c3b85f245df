//! `soute run`

mod running;
pub mod traces;

use std::process::ExitCode;

use clap::Args;

use self::running::Attached;
use self::traces::Traces;
use super::cli::attach;
use super::create::must_have_image;
use super::flags::{Flags, Layer};
use super::launch::Launch;
use crate::definition::load::Loaded;
use crate::definition::search;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::host::missing;
use crate::image::disk;
use crate::plan::Plan;
use crate::rewrite::definition_file;
use crate::settings::Host;
use crate::systemd::Manager;
use crate::terminal::Signals;

/// Runs a command in a new container, on a fresh copy of an image, which goes with it.
#[derive(Debug, Args)]
pub struct Run {
    /// Leave it running, and print its name.
    #[arg(short, long, conflicts_with_all = ["interactive", "tty"])]
    detach: bool,
    /// Keep its disk, and its definition until the next boot of the host.
    #[arg(long)]
    keep: bool,
    /// Accepted for those who are used to it: it is what happens anyway.
    #[arg(long, conflicts_with = "keep")]
    rm: bool,
    /// What to call it; by default the image's name and something random.
    #[arg(long)]
    name: Option<Name>,
    /// Accepted for those who are used to it: standard input is passed on anyway.
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal.
    #[arg(short, long)]
    tty: bool,
    #[command(flatten)]
    flags: Flags,
    /// The image.
    #[arg(help_heading = None)]
    image: Name,
    /// The command, without a shell, and its arguments; by default the image's.
    #[arg(help_heading = None, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<String>,
}

impl Run {
    /// Attached, the exit status is the command's.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        Ok(attach::status(self.outcome(host)))
    }

    fn outcome(&self, host: &Host) -> Result<i32> {
        // First of all, so that no signal is lost, and none ends us half-way.
        let signals = if self.detach { None } else { Some(Signals::block()?) };
        must_have_image(host, &self.image)?;
        let layer = self.layer()?;
        let manager = Manager::connect()?;
        // What has started takes the connection along and reads it until the end.
        let _kept = manager.keep();
        let launch = Launch::new(host, &manager)?;
        traces::sweep(host, &manager);
        let name = self.free_name(host, &manager)?;
        let traces = Traces::begin(host, &manager, &name, self.detach || self.keep)?;
        let loaded = self.define(host, &launch, &name, &layer)?;
        missing::refuse_without_credentials(host, &loaded)?;
        launch.start_required(&loaded)?;
        let mut plan = launch.plan(&loaded, self.keep)?;
        plan.ephemeral = !self.keep;
        plan.forget_at_end();
        let status = match signals {
            None => detached(&launch, &plan, &traces),
            Some(signals) => {
                plan.attach(self.tty);
                let attached = Attached::new(host, &plan.name, self.tty)?;
                attached.run(&launch, &mut plan, signals, || traces.began()).inspect(|_| traces.ended())
            }
        };
        status.with_context(|| format!("cannot run {name}"))
    }

    fn layer(&self) -> Result<Layer> {
        let mut layer = self.flags.layer(&self.image, &self.command)?;
        if !self.detach {
            // A command that is no init neither reaps orphans nor handles SIGTERM.
            layer.set_default("init", "reaper");
        }
        layer.set_default("restart.policy", "no");
        Ok(layer)
    }

    /// What stays, if only for a while, has a file.
    fn define(&self, host: &Host, launch: &Launch<'_>, name: &Name, layer: &Layer) -> Result<Loaded> {
        let loaded = launch.load_flags(name, layer.to_toml()?)?;
        let policy = loaded.definition.restart.policy;
        if !self.keep && policy != crate::definition::model::RestartPolicy::No {
            return Err(Error::new(Exit::Usage, "--restart is for what stays: add --keep"));
        }
        if !self.keep && loaded.definition.publish.iter().any(|port| port.activate) {
            return Err(Error::new(Exit::Usage, "a port that starts its container is for what stays: add --keep"));
        }
        if !self.detach && !self.keep {
            return Ok(loaded);
        }
        let path = host.layout.runtime_definitions().join(format!("{name}.toml"));
        definition_file::create(&path, &layer.text())?;
        launch.load(name)
    }

    fn free_name(&self, host: &Host, manager: &Manager) -> Result<Name> {
        let Some(name) = &self.name else {
            return random_name(&self.image, |name| is_free(host, manager, name));
        };
        match is_free(host, manager, name)? {
            true => Ok(name.clone()),
            false => Err(Error::new(Exit::Busy, format!("a container is called {name} already"))),
        }
    }
}

fn detached(launch: &Launch<'_>, plan: &Plan, traces: &Traces<'_>) -> Result<i32> {
    launch.begin(plan, Vec::new(), true)?;
    traces.began();
    crate::output::stdout::write(&format!("{}\n", plan.name))?;
    Ok(0)
}

fn is_free(host: &Host, manager: &Manager, name: &Name) -> Result<bool> {
    let known = search::find(&host.layout, name)?.is_some()
        || disk::open(&host.layout, name)?.is_some()
        || manager.status(&crate::commands::unit(name))?.load != "not-found";
    Ok(!known)
}

/// The image's name, as far as it fits, and six letters and digits.
fn random_name(image: &Name, is_free: impl Fn(&Name) -> Result<bool>) -> Result<Name> {
    const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    const LONGEST: usize = 40 - 7;
    let stem = image[..image.len().min(LONGEST)].trim_end_matches('-');
    for _ in 0..100 {
        let mut random = [0_u8; 6];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut random))
            .context("cannot read /dev/urandom")?;
        let end: String = random.iter().map(|byte| char::from(DIGITS[usize::from(byte % 32)])).collect();
        let name: Name = format!("{stem}-{end}").parse().map_err(Error::failed)?;
        if is_free(&name)? {
            return Ok(name);
        }
    }
    Err(Error::failed("cannot find a name that is free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_are_names_of_the_image() {
        let tried = std::cell::Cell::new(0);
        let third = |_: &Name| {
            tried.set(tried.get() + 1);
            Ok(tried.get() == 3)
        };
        for image in ["busybox", "a", "a2345678901234567890123456789012-4567890"] {
            tried.set(0);
            let name = random_name(&image.parse().unwrap(), third).unwrap();
            assert!(name.starts_with(&image[..image.len().min(32)]), "{name}");
            assert_eq!(tried.get(), 3);
        }
        assert!(random_name(&"a".parse().unwrap(), |_| Ok(false)).is_err());
    }
}
