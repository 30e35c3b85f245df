//! What everybody may know of a container that was started: /run/soute/shown/NAME.json, which `list`, `status` and `diff` read
//! for who is not root. Environment variables are not in it, and there is none where a file of the definition is not for
//! everybody.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Plan, snapshot};
use crate::definition::types::Name;
use crate::definition::{Definition, search};
use crate::error::{Context, Error, Exit, Result};
use crate::file;
use crate::layout::Layout;

/// A definition has 1 MiB, and becomes not much more.
const LARGEST: u64 = 8 << 20;

#[derive(Serialize, Deserialize)]
struct Shown {
    plan: Plan,
    declared: Option<Definition>,
}

fn path(layout: &Layout, name: &str) -> PathBuf {
    layout.shown().join(format!("{name}.json"))
}

/// Shows a snapshot, with what was declared. To be called under the name's lock.
pub fn show(layout: &Layout, plan: &Plan) -> Result<()> {
    if !is_for_everybody(layout, plan) {
        return hide(layout, &plan.name);
    }
    let mut shown = Shown { plan: plan.clone(), declared: snapshot::declared(&layout.state(&plan.name))? };
    shown.plan.sandbox.process.environment.clear();
    // Variables are part of what it is a hash of.
    shown.plan.fingerprint.clear();
    if let Some(declared) = &mut shown.declared {
        // `soute run` may have taken one from who called it.
        declared.environment.clear();
    }
    let path = path(layout, &plan.name);
    let write = || -> std::io::Result<()> {
        make_public(&layout.shown())?;
        file::write(&path, &serde_json::to_vec(&shown)?, 0o644)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The same for the next snapshot of one that runs. What was hidden stays so: some of it is still of the files of its start.
pub fn show_next(layout: &Layout, plan: &Plan) -> Result<()> {
    match path(layout, &plan.name).symlink_metadata() {
        Ok(_) => show(layout, plan),
        Err(_) => Ok(()),
    }
}

/// Whatever the umask of who makes it first: nobody else writes there, and everybody reads.
fn make_public(directory: &Path) -> std::io::Result<()> {
    match DirBuilder::new().mode(0o755).create(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| std::fs::set_permissions(directory, Permissions::from_mode(0o755))),
    }
}

/// Command and labels are of files that may be for root alone. Of a one-off container they are in its process.
fn is_for_everybody(layout: &Layout, plan: &Plan) -> bool {
    let mut files = Vec::new();
    if !plan.definition.is_empty() {
        let Ok(name) = plan.name.parse::<Name>() else { return false };
        let Ok(Some(found)) = search::find(layout, &name) else { return false };
        files.push(PathBuf::from(&plan.definition));
        files.push(found.main);
        files.extend(found.drop_ins);
    }
    let defaults = layout.defaults();
    files.extend(defaults.symlink_metadata().is_ok().then_some(defaults));
    files.iter().all(|file| everybody_may_read(layout, file))
}

/// Who is neither the owner nor of the group, on all the way to the file that it is.
fn everybody_may_read(layout: &Layout, file: &Path) -> bool {
    let has = |path: &Path, bits: u32| path.metadata().is_ok_and(|stat| stat.mode() & bits == bits);
    let Ok(file) = file.canonicalize() else { return false };
    let root = layout.root().canonicalize().unwrap_or_default();
    let mut directories = file.ancestors().skip(1).take_while(|directory| **directory != *root);
    has(&file, 0o004) && directories.all(|directory| has(directory, 0o005))
}

/// Of a container that is no more.
pub fn hide(layout: &Layout, name: &str) -> Result<()> {
    match std::fs::remove_file(path(layout, name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path(layout, name).display()))
        }
        _ => Ok(()),
    }
}

/// What there is for everybody, with what was declared.
pub fn shown(layout: &Layout, name: &str) -> Result<(Plan, Option<Definition>)> {
    let path = path(layout, name);
    let action = || format!("cannot read {}", path.display());
    let text = match file::read_of_host(&path, LARGEST) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = format!("{name} is not for everybody to see, as its definition is not");
            return Err(Error::new(Exit::NotPermitted, text));
        }
        other => other.with_context(action)?,
    };
    let shown: Shown = serde_json::from_str(&text).map_err(Error::failed).with_context(action)?;
    Ok((shown.plan, shown.declared))
}

impl Plan {
    /// The snapshot, or of it what everybody may know.
    pub fn of(layout: &Layout, name: &str) -> Result<Self> {
        match Self::read(&layout.state(name)) {
            Err(error) if error.exit() == Exit::NotPermitted => Ok(shown(layout, name)?.0),
            plan => plan,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn everybody_sees_what_is_of_files_for_everybody() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let at = |path: &str| root.path().join(path);
        for directory in ["etc/soute/containers/web.toml.d", "etc/soute/elsewhere", "run/soute"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        let files = [
            "etc/soute/defaults.toml",
            "etc/soute/containers/web.toml",
            "etc/soute/containers/web.toml.d/10-more.toml",
            "etc/soute/elsewhere/more.toml",
        ];
        files.iter().for_each(|file| fs::write(at(file), "").unwrap());
        fs::write(at(files[1]), "image = \"busybox\"\n").unwrap();
        std::os::unix::fs::symlink(at(files[3]), at("etc/soute/containers/web.toml.d/20-link.toml")).unwrap();
        let definition = at(files[1]).display().to_string();
        let mut plan = Plan { definition, fingerprint: "hash".into(), ..Plan::example("web") };
        plan.sandbox.process.environment.push(("KEY".into(), "hidden".into()));
        let mut declared = Definition::new("busybox".parse().unwrap());
        declared.environment.insert("KEY".parse().unwrap(), "hidden".parse().unwrap());
        snapshot::declare(&layout.state("web"), &declared).unwrap();

        let is_shown = || {
            show(&layout, &plan).unwrap();
            let path = path(&layout, "web");
            path.exists().then(|| fs::read_to_string(path).unwrap())
        };
        let text = is_shown().unwrap();
        assert!(!text.contains("hidden") && !text.contains("hash"), "{text}");
        assert_eq!(fs::metadata(layout.shown()).unwrap().mode() & 0o777, 0o755);
        for (private, public) in [(0o640, 0o644), (0o600, 0o604)] {
            for file in files {
                set(&at(file), private);
                assert_eq!(is_shown(), None, "{file}");
                set(&at(file), public);
                assert!(is_shown().is_some(), "{file}");
            }
        }
        for directory in ["etc/soute", "etc/soute/elsewhere", "etc/soute/containers/web.toml.d"] {
            set(&at(directory), 0o750);
            assert_eq!(is_shown(), None, "{directory}");
            set(&at(directory), 0o755);
            assert!(is_shown().is_some(), "{directory}");
        }
        hide(&layout, "web").unwrap();
        show_next(&layout, &plan).unwrap();
        assert!(!path(&layout, "web").exists());
        assert!(is_shown().is_some());
        fs::remove_file(at(files[1])).unwrap();
        show_next(&layout, &plan).unwrap();
        assert!(!path(&layout, "web").exists());
        assert_eq!(is_shown(), None);
        hide(&layout, "web").unwrap();
    }
}
