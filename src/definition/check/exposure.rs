//! A bind that others of the host can reach: a set-user-ID program that the container writes there is theirs to run.

use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, stat, statvfs};

use crate::definition::fault::Fault;
use crate::definition::load::Loaded;
use crate::definition::model::{MountIds, MountType};
use crate::definition::types::MountSource;

/// What the host says about the source of a bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindFacts {
    /// Users other than root and the owners can get into it.
    pub reachable: bool,
    /// Set-user-ID bits do nothing there.
    pub nosuid: bool,
}

impl BindFacts {
    /// Of a path of the host; `None` if there is nothing.
    pub fn of(path: &Path) -> Option<Self> {
        let open = |path: &Path| stat(path).is_ok_and(|stat| stat.st_mode & 0o001 != 0);
        let nosuid = statvfs(path).ok()?.f_flag.contains(StatVfsMountFlags::NOSUID);
        Some(Self { reachable: path.ancestors().all(open), nosuid })
    }
}

/// Warnings for writable binds.
pub fn exposed(loaded: &Loaded, facts: impl Fn(&Path) -> Option<BindFacts>) -> Vec<Fault> {
    let mounts = loaded.definition.mount.iter().enumerate();
    let writable =
        mounts.filter(|(_, mount)| mount.r#type == MountType::Bind && !mount.read_only && mount.ids != MountIds::None);
    let exposed = writable.filter_map(|(index, mount)| {
        let Some(MountSource::Path(source)) = &mount.source else { return None };
        let source = PathBuf::from(source.as_str());
        let facts = facts(&source)?;
        (facts.reachable && !facts.nosuid).then(|| {
            let index = index.to_string();
            let node = super::find(&loaded.tree, &["mount", &index, "source"]);
            Fault::new(
                format!("other users of the host can run what the container writes to {}", source.display()),
                node.map(|node| node.origin.clone()),
            )
            .help("chmod o-x a directory above it, mount its file system with nosuid, or add read-only = true")
            .at(super::shown(&["mount", &index, "source"]))
            .warning()
        })
    });
    exposed.collect()
}
