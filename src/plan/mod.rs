//! What a definition means: everything that a start needs, as plain data.
//!
//! A [`Plan`] is made by a pure function of a definition and the facts of the host, is compared with `==` in tests, told
//! to systemd (its [`Unit`]) and written to /run/soute/state/NAME/plan.json, the snapshot from which the runner works.
//! The runner never sees a definition.

mod build;
mod disk;
pub mod environment_file;
mod facts;
mod health;
pub mod lease;
mod link;
mod one_off;
pub mod publish;
mod sandbox;
mod shown;
mod snapshot;
mod unit;

pub use crate::definition::types::THERMAL_THROTTLE;
pub use build::fingerprint;
pub use build::links::bridge_mac;
pub use build::publish::publish as ports;
pub use build::slice;
pub use disk::{Disk, DiskKind, DiskMode, IdRange};
pub use facts::{Facts, Measure};
pub use health::{Health, OnFailure, Probe, timer};
pub use lease::PERIOD as LEASE_PERIOD;
pub use link::{Dhcp, Link, LinkKind, Port, Route};
pub use publish::{Publish, published, write_published};
pub use sandbox::{
    BindIds, Device, FileSource, Init, Missing, Mount, MountFlags, MountSource, Namespaces, Process, Ready, Reload,
    Sandbox, Seccomp, SecurityLabel,
};
pub use shown::{hide, show, show_next, shown};
pub use snapshot::{LENT, MAIN_PID, PLAN, STOPPING, Stamp, declare, declared, note_image, noted_image, stamp};
pub use unit::{Exec, ExitStatuses, Property, Unit, Value};

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The version of the snapshot's shape; a runner refuses another one.
pub const VERSION: u32 = 3;

/// Where cgroup2 is mounted.
pub const CGROUPS: &str = "/sys/fs/cgroup";

/// One container as it will be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`VERSION`] of the soute that wrote it.
    pub version: u32,
    /// The container's name.
    pub name: String,
    /// The image it runs, and that image's digest.
    pub image: ImageReference,
    /// Where its definition lies; empty for a one-off container.
    pub definition: String,
    /// A hash of the definition, by which `list` tells that it has changed since.
    pub fingerprint: String,
    /// Words of the user's, never interpreted.
    pub labels: BTreeMap<String, String>,
    /// What it gives up of the isolation that one has by default, in words.
    pub weakened: Vec<String>,
    /// A one-off container: its disk goes with it.
    pub ephemeral: bool,
    /// What systemd is told.
    pub unit: Unit,
    /// The slice of its group, which is there before the unit is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Unit>,
    /// Where its root comes from.
    pub disk: Disk,
    /// What the runner builds.
    pub sandbox: Sandbox,
    /// The wires, in the order of eth0, eth1, …
    pub links: Vec<Link>,
    /// Ports of the host that lead into it.
    #[serde(default)]
    pub publish: Vec<Publish>,
    /// How to tell whether it does what it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// An image of the store, as it was when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageReference {
    /// Its name in the store.
    pub name: String,
    /// "sha256:…"; empty where an image carries none.
    pub digest: String,
}

#[cfg(test)]
impl Plan {
    /// The smallest plan, for tests of what is done with one.
    pub fn example(name: &str) -> Self {
        Self {
            version: VERSION,
            name: name.to_owned(),
            image: ImageReference::default(),
            definition: String::new(),
            fingerprint: String::new(),
            labels: BTreeMap::new(),
            weakened: Vec::new(),
            ephemeral: false,
            unit: Unit { name: format!("soute@{name}.service"), properties: Vec::new() },
            slice: None,
            disk: Disk { mode: DiskMode::Keep, kind: DiskKind::Tree, ids: None, direct_io: false, size: None },
            sandbox: Sandbox { hostname: name.to_owned(), ..Sandbox::example() },
            links: Vec::new(),
            publish: Vec::new(),
            health: None,
        }
    }
}

impl Plan {
    /// The directory of its control group, while it runs.
    pub fn cgroup(&self) -> PathBuf {
        let slice = self.slice.as_ref().map(|slice| &*slice.name).into_iter();
        [CGROUPS, "soute.slice"].into_iter().chain(slice).chain([&*self.unit.name]).collect()
    }

    /// The addresses inside, without prefixes, in the order of the links.
    pub fn addresses(&self) -> Vec<String> {
        self.links.iter().flat_map(|link| &link.addresses).map(|cidr| cidr.address.to_string()).collect()
    }
}
