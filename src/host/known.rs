//! What a command asks of the host once, however many containers it is about.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::facts::{self, Machine};
use crate::definition::Declared;
use crate::definition::types::Name;
use crate::error::{Exit, Result};
use crate::image::disk::{self, Disk};
use crate::image::store::{ImageInfo, Store};
use crate::layout::Layout;
use crate::plan::Measure;
use crate::settings::Host;

/// A host, and what has been asked of it. For one that looks: who starts containers asks anew for each.
pub struct Known<'a> {
    /// Whom everything is asked of.
    pub host: &'a Host,
    machine: OnceLock<Machine>,
    images: Mutex<BTreeMap<String, Option<ImageInfo>>>,
}

impl<'a> Known<'a> {
    /// Nothing has been asked yet.
    pub fn new(host: &'a Host) -> Self {
        Self { host, machine: OnceLock::new(), images: Mutex::default() }
    }

    /// What is the same for all containers.
    pub fn machine(&self) -> Result<&Machine> {
        if let Some(machine) = self.machine.get() {
            return Ok(machine);
        }
        let machine = Machine::of(self.host)?;
        Ok(self.machine.get_or_init(|| machine))
    }

    /// For limits of groups.
    pub fn measure(&self) -> Result<Measure> {
        Ok(self.machine()?.measure(&self.host.layout))
    }

    fn images(&self) -> MutexGuard<'_, BTreeMap<String, Option<ImageInfo>>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record of an image; none if the store has no such image.
    pub fn image(&self, name: &str) -> Result<Option<ImageInfo>> {
        if let Some(known) = self.images().get(name) {
            return Ok(known.clone());
        }
        // Who only asks makes no store.
        let there = self.host.layout.images().metadata().is_ok();
        let found = match there.then(|| Store::new(&self.host.layout)?.open(name)).transpose() {
            Err(error) if error.exit() == Exit::NotFound => None,
            found => found?.map(|image| image.info),
        };
        self.images().insert(name.to_owned(), found.clone());
        Ok(found)
    }

    /// The image that a container's disk is, or will be, a copy of.
    pub fn image_of(&self, name: &str, disk: Option<&Disk>) -> Result<ImageInfo> {
        let own = disk.filter(|disk| disk.record.image == name).map(Disk::own_image).transpose()?.flatten();
        match own {
            Some(own) => Ok(own),
            None => self.image(name)?.map_or_else(|| facts::copied(name, disk), Ok),
        }
    }

    /// What an image declares, as the lowest layer of a definition.
    pub fn declared(&self, image: &Name) -> Option<Declared> {
        Some(of_image(image, self.image(image).ok()??))
    }

    /// The same for a container. Its disk may be of before an update, and then it knows itself what its image was.
    pub fn declared_for(&self, name: &Name, image: &Name) -> Option<Declared> {
        let layout = &self.host.layout;
        let own = || disk::open(layout, name).ok()??.own_image().ok()?;
        match disk::has_own_image(layout, name).then(own).flatten() {
            Some(info) => Some(of_image(image, info)),
            None => self.declared(image).or_else(|| copied(layout, name, image)),
        }
    }
}

/// What a container's disk says of its image, where the store has that no more.
fn copied(layout: &Layout, name: &Name, image: &Name) -> Option<Declared> {
    // Who only asks makes no store.
    layout.disks().join(name).metadata().ok()?;
    let disk = disk::open(layout, name).ok()??;
    let is_copy = disk.record.image == image.as_str() && disk.kind().ok()?.is_some();
    is_copy.then(|| disk.info().ok()).flatten().map(|info| of_image(image, info))
}

/// What the record of an image says.
pub(super) fn of_image(image: &Name, info: ImageInfo) -> Declared {
    let declared = info.declared;
    Declared {
        image: image.to_string(),
        entrypoint: declared.entrypoint,
        command: declared.command,
        environment: declared.environment.into_iter().collect(),
        user: declared.user,
        working_directory: declared.working_directory,
        stop_signal: declared.stop_signal,
    }
}
