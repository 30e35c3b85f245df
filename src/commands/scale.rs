//! `soute scale`

use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use toml_edit::{DocumentMut, Item, value};

use super::cli::targets;
use super::launch::Launch;
use super::{each, stop, unit};
use crate::definition::replicas::{self, MOST};
use crate::definition::search::{self, Found};
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::rewrite::replace::Replacement;
use crate::settings::Host;
use crate::systemd::Manager;

/// The drop-in for a definition that is not ours to edit.
const DROP_IN: &str = "50-replicas.toml";

/// Changes how many containers a definition makes.
#[derive(Debug, Args)]
pub struct Scale {
    /// The definition, and how many containers it shall make, 0 to 1000.
    #[arg(required = true, value_name = "NAME=COUNT")]
    definitions: Vec<Count>,
}

/// `web=5`
#[derive(Debug, Clone)]
struct Count {
    name: Name,
    count: u32,
}

impl FromStr for Count {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::new(Exit::Usage, format!("write it as web=5, with a number from 0 to {MOST}"));
        let (name, count) = text.split_once('=').ok_or_else(refused)?;
        let count = count.parse().ok().filter(|count| *count <= MOST).ok_or_else(refused)?;
        Ok(Self { name: name.parse().map_err(Error::from)?, count })
    }
}

impl Scale {
    /// New ones are started before any is stopped. Disks of those that are stopped stay, and come back with them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        let launch = Launch::new(host, &manager)?;
        each(&self.definitions, |Count { name, count }| {
            scale(host, &manager, &launch, name, *count).with_context(|| format!("cannot scale {name}"))
        })
    }
}

fn scale(host: &Host, manager: &Manager, launch: &Launch<'_>, name: &Name, count: u32) -> Result<()> {
    let found = definitions::find(host, name)?;
    if replicas::count(&found).is_none() {
        let help = "its definition has no replicas: it is one container. With replicas = 1 it would be";
        return Err(Error::new(Exit::Invalid, format!("{help} {name}-1, on a disk of its own")));
    }
    set(host, &found, count)?;
    // A definition that cannot be started costs none of those that run.
    launch.load(name)?;
    launch.start(name)?;
    let running = manager.list(&unit(&format!("{name}-*")))?.into_iter();
    let running =
        running.filter_map(|unit| Some(unit.name.strip_prefix("soute@")?.strip_suffix(".service")?.to_owned()));
    for surplus in targets::surplus(host, name, count, running)? {
        stop::stop(host, manager, &surplus).with_context(|| format!("cannot stop {surplus}"))?;
        eprintln!("stopped {surplus}, whose disk stays: `soute remove {surplus}` takes it away");
    }
    Ok(())
}

/// Says it in the file, where that is the administrator's, else in a drop-in.
fn set(host: &Host, found: &Found, count: u32) -> Result<()> {
    if replicas::count(found) == Some(count) {
        return Ok(());
    }
    let path = match definitions::is_ours(host, &found.main) {
        true => found.main.clone(),
        false => host.layout.own_definitions().join(format!("{}.toml.d", found.name)).join(DROP_IN),
    };
    let text = if path.exists() { definitions::read(&path)? } else { Vec::new() };
    let action = || format!("cannot read {}", path.display());
    let mut document: DocumentMut =
        String::from_utf8_lossy(&text).parse().map_err(Error::failed).with_context(action)?;
    match document.get_mut("replicas").and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = i64::from(count).into();
            *old.decor_mut() = decor;
        }
        None => document["replicas"] = value(i64::from(count)),
    }
    Replacement::begin(&path, &document.to_string())?.commit()?;
    eprintln!("changed {}", path.display());
    let now = search::find(&host.layout, &found.name)?.and_then(|found| replicas::count(&found));
    match now == Some(count) {
        true => Ok(()),
        false => Err(Error::failed(format!("a drop-in says otherwise: `soute show {}` tells which", found.name))),
    }
}
