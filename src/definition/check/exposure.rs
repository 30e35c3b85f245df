//! A bind that others of the host can reach: a set-user-ID program that the container writes there is theirs to run.

use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, stat, statvfs};

use crate::definition::fault::Fault;
use crate::definition::load::Loaded;
use crate::definition::model::{MountIds, MountType};
use crate::definition::types::MountSource;
use crate::definition::{Definition, Weakening};

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

impl Definition {
    /// Of the writable binds those that others can reach.
    pub fn exposed_binds(&self, facts: impl Fn(&Path) -> Option<BindFacts>) -> Vec<Weakening> {
        let mounts = self.mount.iter().enumerate();
        let writable = mounts
            .filter(|(_, mount)| mount.r#type == MountType::Bind && !mount.read_only && mount.ids != MountIds::None);
        let exposed = writable.filter_map(|(index, mount)| {
            let Some(MountSource::Path(source)) = &mount.source else { return None };
            let source = PathBuf::from(source.as_str());
            let facts = facts(&source)?;
            (facts.reachable && !facts.nosuid).then_some(Weakening::ExposedBind(index, source))
        });
        exposed.collect()
    }
}

/// Warnings for them.
pub fn exposed(loaded: &Loaded, facts: impl Fn(&Path) -> Option<BindFacts>) -> Vec<Fault> {
    let exposed = loaded.definition.exposed_binds(facts).into_iter();
    exposed.map(|weakening| super::weakened::warning(&weakening, &loaded.tree)).collect()
}
