//! How verbs that start nothing get at definitions: without systemd if need be, below any root.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::known::{self, Known};
use super::missing;
use crate::definition::check::exposure::{BindFacts, exposed};
use crate::definition::load::{self, Failure, Loaded};
use crate::definition::search::{self, Found};
use crate::definition::types::Name;
use crate::definition::{Faults, Site, check};
use crate::error::{Context, Error, Exit, Result};
use crate::image::store::ImageInfo;
use crate::output::diagnostics;
use crate::plan::Plan;
use crate::settings::Host;
use crate::systemd::Manager;

/// Definitions are not larger, and whatever else is has no place in them.
const LARGEST: u64 = 1 << 20;

/// The files of a container; exit status 4 if it has none.
pub fn find(host: &Host, name: &Name) -> Result<Found> {
    search::find(&host.layout, name)?.ok_or_else(|| undefined(host, name))
}

/// Exit status 4, with what there is of it all the same.
fn undefined(host: &Host, name: &Name) -> Error {
    let text = match Plan::read(&host.layout.state(name)) {
        Err(_) => return unknown(name),
        Ok(plan) if plan.definition.is_empty() => format!("{name} is a one-off container, with no definition"),
        Ok(plan) => format!("the definition of {name} is gone: {}", plan.definition),
    };
    Error::new(Exit::NotFound, text)
}

/// Exit status 4.
pub fn unknown(name: &Name) -> Error {
    Error::new(Exit::NotFound, format!("no container is called {name}"))
}

/// The definition as it is now; its faults are shown where they are.
pub fn load(host: &Host, name: &Name) -> Result<Loaded> {
    load_for(host, name, systemd_version(host))
}

/// The same, held against a version of systemd that is known.
pub fn load_for(host: &Host, name: &Name, systemd: Option<u32>) -> Result<Loaded> {
    load_quietly(host, name, systemd).map_err(|failure| match failure {
        Failure::Error(error) => error,
        Failure::Faults(faults) => diagnostics::refuse(&faults.0),
    })
}

/// The definition, or what is wrong with it.
pub fn load_quietly(host: &Host, name: &Name, systemd: Option<u32>) -> std::result::Result<Loaded, Failure> {
    load::load(
        &host.layout,
        name,
        |image| Known::new(host).declared_for(name, image),
        toml::Table::new(),
        check::Host { systemd },
    )
    .map_err(|failure| match failure {
        Failure::Error(error) if error.exit() == Exit::NotFound => Failure::Error(undefined(host, name)),
        failure => failure,
    })
}

/// A definition that is no file, checked like one.
pub fn load_flags(host: &Host, name: &Name, flags: toml::Table, systemd: Option<u32>) -> Result<Loaded> {
    let loaded =
        load::load_flags(&host.layout, name, |image| Known::new(host).declared(image), flags, check::Host { systemd });
    let loaded = loaded.map_err(|faults| diagnostics::refuse(&faults.0))?;
    let conflicts = Site::survey(&host.layout)?.with(loaded.outline()).conflicts_of(name);
    if conflicts.fatal() { Err(diagnostics::refuse(&conflicts.0)) } else { Ok(loaded) }
}

/// Whether a file of a definition is the administrator's to change, and no link to what a package has brought.
pub fn is_ours(host: &Host, path: &Path) -> bool {
    let layout = &host.layout;
    let inside = path.starts_with(layout.own_definitions()) || path.starts_with(layout.runtime_definitions());
    inside && !path.canonicalize().is_ok_and(|path| path.starts_with(layout.root().join("usr")))
}

/// Faults between containers that concern this one: an address taken twice, an unknown or circular requirement.
pub fn check_neighbours(host: &Host, loaded: &Loaded) -> Result<()> {
    let outline = loaded.outline();
    if outline.claims.is_empty() && outline.ports.is_empty() && outline.waits_for().next().is_none() {
        // It has nothing that another could take, and a circle would go through it: no need to read a thousand files.
        return Ok(());
    }
    refuse_conflicts(&Site::survey(&host.layout)?, loaded)
}

/// The same, among containers that have been read.
pub fn refuse_conflicts(site: &Site, loaded: &Loaded) -> Result<()> {
    let faults = site.conflicts_of(&loaded.name);
    if faults.fatal() { Err(diagnostics::refuse(&faults.0)) } else { Ok(()) }
}

/// All that is wrong with a definition, what stands between it and others included, and what it would miss here.
pub fn examine(host: &Host, found: &Found) -> Result<Faults> {
    let (mut faults, loaded) = alone(host, found, systemd_version(host));
    if let Some(loaded) = loaded {
        let site = Site::survey(&host.layout)?.with(loaded.outline());
        faults.0.extend(site.conflicts_of(&found.name).0);
        faults.0.extend(missing::in_use(host, &loaded));
    }
    Ok(faults)
}

/// The same, whatever others there are; and the definition, if it can be used.
pub fn alone(host: &Host, found: &Found, systemd: Option<u32>) -> (Faults, Option<Loaded>) {
    alone_on(host, found, systemd, None)
}

/// The same of one whose disk is on its way here, a copy of this image.
pub fn alone_on(
    host: &Host,
    found: &Found,
    systemd: Option<u32>,
    copied: Option<&ImageInfo>,
) -> (Faults, Option<Loaded>) {
    let declared = |image: &Name| match copied {
        Some(info) => Some(known::of_image(image, info.clone())),
        None => Known::new(host).declared_for(&found.name, image),
    };
    match load::load_found(&host.layout, found, declared, toml::Table::new(), check::Host { systemd }) {
        Err(faults) => (faults, None),
        Ok(loaded) => {
            let mut faults = loaded.warnings.clone();
            faults.extend(exposed(&loaded, BindFacts::of));
            faults.extend(missing::missing(host, &loaded, copied.is_some()));
            (Faults(faults), Some(loaded))
        }
    }
}

/// The manager of this host; none below another root of a machine that has none, where nothing can run.
pub fn manager(host: &Host) -> Result<Option<Manager>> {
    match Manager::connect() {
        Ok(manager) => Ok(Some(manager)),
        Err(_) if host.layout.root() != Path::new("/") && !Path::new("/run/systemd/system").exists() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What directives are held against, where there is a systemd that would get them.
pub fn systemd_version(host: &Host) -> Option<u32> {
    manager(host).ok()??.version().ok()
}

/// The bytes of a file of a definition; nothing of a FIFO or of /dev/null, neither of which makes us wait.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let action = || format!("cannot read {}", path.display());
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).with_context(action)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).with_context(action)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(Error::failed("it is larger than 1 MiB")).with_context(action),
        false => Ok(bytes),
    }
}
