//! The disk and what is mounted over it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::types::{ByteSize, GuestPath, List, Mode, MountSource};

/// The container's own copy of the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Disk {
    /// "keep" it, make a "fresh" copy for each start, or use the image itself, "read-only" and shared.
    pub mode: DiskMode,
    /// How large a raw disk is, never less than its image; it grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<ByteSize>,
    /// What is writable when mode = "read-only".
    pub tmpfs: List<GuestPath>,
}

impl Default for Disk {
    fn default() -> Self {
        let tmpfs = ["/tmp", "/run"].iter().filter_map(|path| path.parse().ok()).collect();
        Self { mode: DiskMode::default(), size: None, tmpfs }
    }
}

/// How long a copy lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskMode {
    /// Until the container is removed.
    #[default]
    Keep,
    /// Until it stops.
    Fresh,
    /// There is none: the image is mounted read-only.
    ReadOnly,
}

/// Something mounted in the container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mount {
    /// For a bind an absolute path, or "./x" beside this file; for a volume its name; for a tmpfs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<MountSource>,
    /// Where it appears in the container.
    pub target: GuestPath,
    /// Whether it can be written to.
    #[serde(default)]
    pub read_only: bool,
    /// A path of the host, memory, or a named volume of the store, which survives remove.
    #[serde(default)]
    pub r#type: MountType,
    /// What to do if the source of a bind does not exist.
    #[serde(default)]
    pub missing: MissingSource,
    /// "same": user 33 inside is 33 outside. "owner": root inside is the source's owner. "none": not translated.
    #[serde(default)]
    pub ids: MountIds,
    /// With what is mounted below the source.
    #[serde(default = "yes")]
    pub recursive: bool,
    /// Options of the mount.
    #[serde(default = "usual_options")]
    pub options: List<MountOption>,
    /// Size of a tmpfs.
    #[serde(default = "usual_size")]
    pub size: ByteSize,
    /// Mode of a tmpfs, an octal string.
    #[serde(default = "usual_mode")]
    pub mode: Mode,
}

fn yes() -> bool {
    true
}

fn usual_options() -> List<MountOption> {
    List(vec![MountOption::Nosuid, MountOption::Nodev])
}

fn usual_size() -> ByteSize {
    ByteSize(64 << 20)
}

fn usual_mode() -> Mode {
    Mode(0o1777)
}

impl Mount {
    /// A bind of nothing yet at that target, every key at its default.
    pub fn new(target: GuestPath) -> Self {
        Self {
            source: None,
            target,
            read_only: false,
            r#type: MountType::default(),
            missing: MissingSource::default(),
            ids: MountIds::default(),
            recursive: yes(),
            options: usual_options(),
            size: usual_size(),
            mode: usual_mode(),
        }
    }
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MountType {
    /// A path of the host.
    #[default]
    Bind,
    /// Memory.
    Tmpfs,
    /// A named volume.
    Volume,
}

/// What to do if the source does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissingSource {
    /// The start fails.
    #[default]
    Fail,
    /// The container does without.
    Skip,
    /// A directory is made.
    CreateDirectory,
}

/// How ids of the source appear inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MountIds {
    /// 33 inside is 33 outside, by an idmapped mount.
    #[default]
    Same,
    /// Root inside is the owner of the source.
    Owner,
    /// As the container's range has them: nobody's.
    None,
}

/// An option of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MountOption {
    /// Set-user-ID bits and file capabilities do nothing.
    Nosuid,
    /// Device nodes do nothing.
    Nodev,
    /// Nothing can be executed.
    Noexec,
    /// Reading leaves access times alone.
    Noatime,
}
