//! Where definitions lie: the first directory wins for NAME.toml, all of them add drop-ins.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

use super::replicas;
use super::types::{Name, Refused};
use super::variables::Instance;
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
    /// Which of the containers of NAME.toml this is, where that has `replicas`.
    pub replica: Option<Replica>,
    /// A definition whose replica has this name too.
    pub clash: Option<PathBuf>,
}

/// One of several containers of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The name of the definition.
    pub of: Name,
    /// From 1.
    pub n: u32,
}

/// All containers of the host.
#[derive(Debug, Default)]
pub struct Listing {
    /// By name; replicas are among them.
    pub found: Vec<Found>,
    /// Definitions with `replicas`, which are no containers themselves.
    pub templates: Vec<Found>,
    /// Files whose name is none that a container can have.
    pub misnamed: Vec<(PathBuf, Refused)>,
}

impl Found {
    fn new(name: Name, main: PathBuf, drop_ins: BTreeMap<String, PathBuf>) -> Self {
        let drop_ins = drop_ins.into_values().collect();
        Self { name, main, drop_ins, explicit: false, replica: None, clash: None }
    }

    /// A file by its path, with the drop-ins beside it.
    pub fn file(path: &Path) -> Result<Self> {
        let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let name = stem.parse().with_context(|| format!("cannot take {} for a definition", path.display()))?;
        let mut drop_ins = BTreeMap::new();
        add_drop_ins(&with_suffix(path, ".d"), &mut drop_ins)?;
        Ok(Self { explicit: true, ..Self::new(name, path.to_owned(), drop_ins) })
    }

    /// What `${name}` and `${n}` are in it.
    pub fn instance(&self) -> Instance {
        Instance { name: self.name.clone(), n: self.replica.as_ref().map(|replica| replica.n) }
    }

    /// The containers of a definition with `replicas`; none for the definition of one.
    pub fn replicas(&self, layout: &Layout) -> Result<Option<Vec<Self>>> {
        let Some(count) = replicas::count(self).filter(|_| self.replica.is_none()) else { return Ok(None) };
        let replicas = (1..=count).map(|n| self.replica(layout, n));
        replicas.filter_map(Result::transpose).collect::<Result<_>>().map(Some)
    }

    /// Its drop-ins are those of the definition and, above them, its own.
    fn replica(&self, layout: &Layout, n: u32) -> Result<Option<Self>> {
        let Some(name) = replicas::name(&self.name, n) else { return Ok(None) };
        let mut own = BTreeMap::new();
        for dir in layout.definition_dirs() {
            add_drop_ins(&dir.join(format!("{name}.toml.d")), &mut own)?;
        }
        let drop_ins = self.drop_ins.iter().cloned().chain(own.into_values()).collect();
        let replica = Some(Replica { of: self.name.clone(), n });
        Ok(Some(Self { name, drop_ins, replica, ..self.clone() }))
    }
}

/// The definition of that name, if there is one that is not masked: a file of that name, or one with `replicas`.
pub fn find(layout: &Layout, name: &Name) -> Result<Option<Found>> {
    let replica = match replicas::split(name) {
        Some((of, n)) => {
            let template = by_file(layout, &of)?;
            template.filter(|template| replicas::count(template).is_some_and(|count| n <= count)).map(|of| (of, n))
        }
        None => None,
    };
    match (by_file(layout, name)?, replica) {
        (Some(found), replica) => Ok(Some(Found { clash: replica.map(|(template, _)| template.main), ..found })),
        (None, Some((template, n))) => template.replica(layout, n),
        (None, None) => Ok(None),
    }
}

fn by_file(layout: &Layout, name: &Name) -> Result<Option<Found>> {
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
    Ok(Some(Found::new(name.clone(), main, drop_ins)))
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
                listing.found.push(Found::new(name, main, drop_ins));
            }
            Err(refused) => listing.misnamed.push((main, refused)),
        }
    }
    listing.multiply(layout)?;
    Ok(listing)
}

impl Listing {
    /// Puts replicas in the place of definitions that have them.
    fn multiply(&mut self, layout: &Layout) -> Result<()> {
        let mut found = BTreeMap::new();
        let mut replicas = Vec::new();
        for one in std::mem::take(&mut self.found) {
            match one.replicas(layout)? {
                Some(several) => {
                    replicas.extend(several);
                    self.templates.push(one);
                }
                None => drop(found.insert(one.name.clone(), one)),
            }
        }
        for replica in replicas {
            match found.get_mut(&replica.name) {
                Some(file) => file.clash = Some(replica.main),
                None => drop(found.insert(replica.name.clone(), replica)),
            }
        }
        self.found = found.into_values().collect();
        Ok(())
    }
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
