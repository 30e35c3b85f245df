//! The root file system of a container: whose copy it is, and under which ids it is seen.

use serde::{Deserialize, Serialize};

use crate::image::raw::superblock::FsType;

/// The first host id of a container's 65536; disk id 0 appears to the host as this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// The first id, a multiple of 65536.
    pub first: u32,
}

impl IdRange {
    /// How many ids each container has: a full 16-bit range, as Debian's nobody (65534) lies in it.
    pub const COUNT: u32 = 65536;

    /// The line that goes into uid_map and gid_map.
    pub fn map_line(self) -> String {
        format!("0 {} {}", self.first, Self::COUNT)
    }
}

/// How long the copy lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskMode {
    /// One copy, kept at stop.
    Keep,
    /// A new copy at each start.
    Fresh,
    /// The image itself, read-only, shared.
    ReadOnly,
}

/// What a root is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskKind {
    /// A directory tree.
    Tree,
    /// One file that holds a file system of this type.
    Raw {
        /// Which.
        fs: FsType,
    },
}

/// The root file system of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// How long the copy lives.
    pub mode: DiskMode,
    /// Tree or raw.
    pub kind: DiskKind,
    /// The ids it is seen under; none with `namespaces.user = "host"`.
    pub ids: Option<IdRange>,
    /// Where a write limit applies, direct I/O on the loop device is a must: buffered writes pass it by.
    pub direct_io: bool,
    /// The bytes that a raw disk is to have; those of its image, by default.
    #[serde(default)]
    pub size: Option<u64>,
}
