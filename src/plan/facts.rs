//! What a plan needs to know of the host, besides the definition. Gathered at the edge, so that planning stays pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::definition::types::Cidr;
use crate::definition::{Group, Weakening};
use crate::image::store::ImageInfo;
use crate::layout::Layout;

/// What limits are measured by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Bytes of memory.
    pub memory: u64,
    /// How many processes there can be.
    pub tasks: u64,
    /// Disks of containers.
    pub disks: PathBuf,
    /// What paths in the file are beside.
    pub beside: PathBuf,
}

/// The host at the moment of a start.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The container's name.
    pub name: String,
    /// The definition that it is one of several containers of.
    pub replica_of: Option<String>,
    /// The group that it is in, as its file has it.
    pub group: Option<Group>,
    /// The file that defines it; none for a one-off container.
    pub definition: Option<PathBuf>,
    /// Where soute's files are.
    pub layout: Layout,
    /// soute-runner.
    pub runner: PathBuf,
    /// soute, where systemd-machined is to be told of the container.
    pub machined: Option<PathBuf>,
    /// The image as the store has it.
    pub image: ImageInfo,
    /// The first of the container's ids, as recorded.
    pub ids: Option<u32>,
    /// What links were given for `address = "auto"`, by their names.
    pub addresses: BTreeMap<String, Vec<Cidr>>,
    /// The host's own name servers, as the container reaches them; only if it asks for them.
    pub resolvers: Vec<IpAddr>,
    /// /etc/machine-id: makes the addresses of links differ between hosts.
    pub machine_id: String,
    /// Loopback has ::1.
    pub ipv6: bool,
    /// Bytes of memory.
    pub memory: u64,
    /// How many processes there can be.
    pub tasks: u64,
    /// The host's zone, for `timezone = "local"`.
    pub timezone: Option<String>,
    /// Binds that other users of the host can reach.
    pub exposed: Vec<Weakening>,
    /// What the image declares that no layer of the definition sets or unsets.
    pub image_environment: Vec<(String, String)>,
    /// What the environment files say, in their order.
    pub file_environment: Vec<(String, String)>,
}

impl Facts {
    /// For limits of a file that lies in this directory.
    pub fn measure(&self, beside: &Path) -> Measure {
        let disks = self.layout.disks();
        Measure { memory: self.memory, tasks: self.tasks, disks, beside: beside.to_owned() }
    }
}
