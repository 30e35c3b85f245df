//! Where definitions lie: the first directory wins for NAME.toml, all of them add drop-ins.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

use super::types::{Name, Refused};
use crate::error::{Context, Result};
use crate::layout::Layout;

/// The files of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The container.
    pub name: Name,
    /// NAME.toml.
    pub main: PathBuf,
    /// Drop-ins in the order in which they apply; masked ones are among them.
    pub drop_ins: Vec<PathBuf>,
    /// Whether the user named the file: then it may be anybody's, since nothing is started from it.
    pub explicit: bool,
}

/// All containers of the host.
#[derive(Debug, Default)]
pub struct Listing {
    /// By name.
    pub found: Vec<Found>,
    /// Files whose name is none that a container can have.
    pub misnamed: Vec<(PathBuf, Refused)>,
}

impl Found {
    /// A file by its path, with the drop-ins beside it.
    pub fn file(path: &Path) -> Result<Self> {
        let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let name = stem.parse().with_context(|| format!("cannot take {} for a definition", path.display()))?;
        let mut drop_ins = BTreeMap::new();
        add_drop_ins(&with_suffix(path, ".d"), &mut drop_ins)?;
        Ok(Self { name, main: path.to_owned(), drop_ins: drop_ins.into_values().collect(), explicit: true })
    }
}

/// The definition of that name, if there is one that is not masked.
pub fn find(layout: &Layout, name: &Name) -> Result<Option<Found>> {
    let dirs = layout.definition_dirs();
    let mains = dirs.iter().map(|dir| dir.join(format!("{name}.toml")));
    let Some(main) = mains.into_iter().find(|path| path.symlink_metadata().is_ok()) else { return Ok(None) };
    if is_masked(&main) {
        return Ok(None);
    }
    let mut drop_ins = BTreeMap::new();
    for dir in &dirs {
        add_drop_ins(&dir.join(format!("{name}.toml.d")), &mut drop_ins)?;
    }
    Ok(Some(Found { name: name.clone(), main, drop_ins: drop_ins.into_values().collect(), explicit: false }))
}

/// Every definition of the host.
pub fn all(layout: &Layout) -> Result<Listing> {
    let mut mains: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut drop_in_dirs: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for dir in layout.definition_dirs() {
        for file in entries(&dir)? {
            if let Some(stem) = file.strip_suffix(".toml") {
                mains.entry(stem.to_owned()).or_insert_with(|| dir.join(&file));
            } else if let Some(stem) = file.strip_suffix(".toml.d") {
                drop_in_dirs.entry(stem.to_owned()).or_default().push(dir.join(&file));
            }
        }
    }
    let mut listing = Listing::default();
    for (stem, main) in mains {
        if is_masked(&main) {
            continue;
        }
        match stem.parse() {
            Ok(name) => {
                let mut drop_ins = BTreeMap::new();
                for dir in drop_in_dirs.get(&stem).into_iter().flatten() {
                    add_drop_ins(dir, &mut drop_ins)?;
                }
                let drop_ins = drop_ins.into_values().collect();
                listing.found.push(Found { name, main, drop_ins, explicit: false });
            }
            Err(refused) => listing.misnamed.push((main, refused)),
        }
    }
    Ok(listing)
}

/// File names of a directory that are no editor's and no package manager's; none if it does not exist.
fn entries(dir: &Path) -> Result<BTreeSet<String>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", dir.display())),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let name = entry.with_context(|| format!("cannot read {}", dir.display()))?.file_name();
        // What is not UTF-8 is no name either; the lossy one is reported as misnamed.
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.insert(name);
        }
    }
    Ok(names)
}

fn add_drop_ins(dir: &Path, drop_ins: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for file in entries(dir)?.into_iter().filter(|file| file.ends_with(".toml")) {
        let path = dir.join(&file);
        drop_ins.entry(file).or_insert(path);
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn is_masked(path: &Path) -> bool {
    rustix::fs::stat(path).is_ok_and(|stat| masks(&stat))
}

/// An empty file, or a link to /dev/null, as systemd.unit(5) masks.
pub(super) fn masks(stat: &Stat) -> bool {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => stat.st_size == 0,
        FileType::CharacterDevice => (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (1, 3),
        _ => false,
    }
}
