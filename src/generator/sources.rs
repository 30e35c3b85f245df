//! The files of every definition. What cannot be listed or read is one container's trouble, never the others'.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::keys::{Keys, Layers};
use crate::definition::read::read;
use crate::definition::source::Layer;
use crate::definition::types::escaped;

/// One definition and the directories that may hold drop-ins for it, the first wins.
#[derive(Debug, Default)]
pub struct Source {
    /// The container's name, fit for a unit's instance but not necessarily for a container.
    pub name: String,
    /// The file, in the first directory that has it.
    pub path: PathBuf,
    dropins: Vec<PathBuf>,
}

/// The definitions of all directories, by name.
pub fn search(directories: &[PathBuf], log: &mut dyn FnMut(&str)) -> Vec<Source> {
    let mut found = BTreeMap::<String, Source>::new();
    for directory in directories {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                log(&format!("cannot list {}, ignoring: {error}", directory.display()));
                continue;
            }
        };
        for entry in entries.map_while(Result::ok) {
            let file_name = entry.file_name();
            if is_hidden(&file_name) {
                continue;
            }
            let Some((name, is_dropin)) = instance(&file_name) else {
                if file_name.as_encoded_bytes().ends_with(b".toml") {
                    log(&format!("\"{}\" is no name, ignoring", escaped(&entry.path().to_string_lossy())));
                }
                continue;
            };
            let source = found.entry(name.to_owned()).or_default();
            if is_dropin {
                source.dropins.push(entry.path());
            } else if source.name.is_empty() {
                (source.name, source.path) = (name.to_owned(), entry.path());
            }
        }
    }
    // Drop-ins alone make no container.
    found.into_values().filter(|source| !source.name.is_empty()).collect()
}

/// An editor's, a package manager's, or a draft of `soute edit`.
fn is_hidden(file_name: &OsString) -> bool {
    file_name.as_encoded_bytes().starts_with(b".")
}

/// The instance that `NAME.toml` or `NAME.toml.d` stands for. A name that no container may have is launched as well, to be
/// told so, but only what needs no escaping in a unit's name.
fn instance(file_name: &OsString) -> Option<(&str, bool)> {
    let text = file_name.to_str()?;
    let (name, is_dropin) = match text.strip_suffix(".d") {
        Some(directory) => (directory.strip_suffix(".toml")?, true),
        None => (text.strip_suffix(".toml")?, false),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (matches!(name.len(), 1..=200) && name.bytes().all(fits) && !name.starts_with('.')).then_some((name, is_dropin))
}

impl Source {
    /// The keys of all layers; none for a masked definition; why not, for one that cannot be read.
    pub fn merge(&self, defaults: &Layers) -> Result<Option<Keys>, String> {
        let mut keys = defaults.clone();
        if !self.apply(&mut keys, &self.path, Layer::Main)? {
            return Ok(None);
        }
        let mut dropins = BTreeMap::<OsString, PathBuf>::new();
        for directory in &self.dropins {
            let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
            for entry in entries.map_while(Result::ok) {
                let file_name = entry.file_name();
                if file_name.as_encoded_bytes().ends_with(b".toml") && !is_hidden(&file_name) {
                    dropins.entry(entry.file_name()).or_insert_with(|| entry.path());
                }
            }
        }
        for path in dropins.values() {
            self.apply(&mut keys, path, Layer::DropIn)?;
        }
        keys.keys(&self.name).map(Some)
    }

    fn apply(&self, keys: &mut Layers, path: &Path, layer: Layer) -> Result<bool, String> {
        match read(path, layer, false).map_err(|fault| fault.to_string())? {
            None => Ok(false),
            Some(source) => keys.apply(&source.text).map(|()| true).map_err(|why| format!("{}: {why}", path.display())),
        }
    }
}

/// The lowest layer. One that is broken counts for nothing here: with it no container starts, whatever is launched.
pub fn defaults(path: &Path, log: &mut dyn FnMut(&str)) -> Layers {
    let mut keys = Layers::default();
    if path.symlink_metadata().is_err() {
        return keys;
    }
    let applied = match read(path, Layer::Defaults, false) {
        Ok(source) => source.map_or(Ok(()), |source| keys.apply(&source.text)),
        Err(fault) => Err(fault.message),
    };
    match applied {
        Ok(()) => keys,
        Err(why) => {
            log(&format!("cannot use {}, ignoring: {}", path.display(), escaped(&why)));
            Layers::default()
        }
    }
}
