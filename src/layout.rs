//! Where everything lives. The root is a parameter (`--root`, `SOUTE_ROOT`), so that tests never touch the host's files.

use std::path::{Path, PathBuf};

/// The directories of one soute host; FILES of soute(8) is the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    store: PathBuf,
}

/// Makes a directory for root alone; those above it are for everyone, as those of systemd's are.
pub fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    directory.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

impl Layout {
    /// The layout below `root`, with the store at its default place.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let store = root.join("var/lib/soute");
        Self { root, store }
    }

    /// The same host with the store of soute.toml.
    pub fn with_store(self, store: impl Into<PathBuf>) -> Self {
        Self { store: store.into(), ..self }
    }

    /// The root itself, "/" on a real host.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Directories searched for `containers/`, the first wins.
    pub fn definition_dirs(&self) -> [PathBuf; 4] {
        ["etc/soute", "run/soute", "usr/local/lib/soute", "usr/lib/soute"]
            .map(|dir| self.root.join(dir).join("containers"))
    }

    /// /etc/soute/containers, the only place that `create` and `enable` write to.
    pub fn own_definitions(&self) -> PathBuf {
        self.root.join("etc/soute/containers")
    }

    /// /run/soute/containers: definitions that a reboot forgets.
    pub fn runtime_definitions(&self) -> PathBuf {
        self.root.join("run/soute/containers")
    }

    /// The layer below every definition.
    pub fn defaults(&self) -> PathBuf {
        self.root.join("etc/soute/defaults.toml")
    }

    /// Limits of groups.
    pub fn groups(&self) -> PathBuf {
        self.root.join("etc/soute/groups")
    }

    /// Host settings: store path, id pool.
    pub fn settings(&self) -> PathBuf {
        self.root.join("etc/soute/soute.toml")
    }

    /// The store of images, disks and volumes.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Images, one directory each.
    pub fn images(&self) -> PathBuf {
        self.store.join("images")
    }

    /// Disks, one directory a container.
    pub fn disks(&self) -> PathBuf {
        self.store.join("disks")
    }

    /// Named volumes.
    pub fn volumes(&self) -> PathBuf {
        self.store.join("volumes")
    }

    /// The snapshots of what was started, one directory a container.
    pub fn states(&self) -> PathBuf {
        self.root.join("run/soute/state")
    }

    /// The snapshot of what was started.
    pub fn state(&self, name: &str) -> PathBuf {
        self.states().join(name)
    }

    /// What everybody may know of what was started, a file a container.
    pub fn shown(&self) -> PathBuf {
        self.root.join("run/soute/shown")
    }

    /// The text file of running containers.
    pub fn instances(&self) -> PathBuf {
        self.root.join("run/soute/instances")
    }

    /// What the hosts files of running containers say of others.
    pub fn names(&self) -> PathBuf {
        self.root.join("run/soute/names")
    }

    /// Locks: one a name, and `ids`, and `store`.
    pub fn locks(&self) -> PathBuf {
        self.root.join("run/soute/lock")
    }

    /// FIFOs that stand behind /dev/stdout and /dev/stderr of a container.
    pub fn logs(&self) -> PathBuf {
        self.root.join("run/soute/log")
    }
}
