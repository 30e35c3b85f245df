//! The files: where they are looked for, and how they are read without hanging on any of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Error, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::sys::stat::makedev;

use super::keys::Keys;
use crate::definition::types::escaped;

const LARGEST: u64 = 1024 * 1024;

/// One definition and the directories that may hold drop-ins for it, the first wins.
#[derive(Debug, Default)]
pub struct Source {
    /// The container's name, fit for a unit's instance but not necessarily for a container.
    pub name: String,
    /// The file, in the first directory that has it.
    pub path: PathBuf,
    dropins: Vec<PathBuf>,
}

/// What a file says.
pub enum Content {
    /// Nothing, so that what lies in a later directory under the same name counts for nothing either.
    Masked,
    /// TOML, perhaps.
    Text(String),
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
    pub fn merge(&self, defaults: &Keys) -> Result<Option<Keys>, String> {
        let mut keys = defaults.clone();
        match self.apply(&mut keys, &self.path)? {
            true => {}
            false => return Ok(None),
        }
        let mut dropins = BTreeMap::<OsString, PathBuf>::new();
        for directory in &self.dropins {
            let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
            for entry in entries.map_while(Result::ok) {
                if entry.file_name().as_encoded_bytes().ends_with(b".toml") {
                    dropins.entry(entry.file_name()).or_insert_with(|| entry.path());
                }
            }
        }
        for path in dropins.values() {
            self.apply(&mut keys, path)?;
        }
        Ok(Some(keys))
    }

    fn apply(&self, keys: &mut Keys, path: &Path) -> Result<bool, String> {
        match read(path).map_err(|error| format!("{}: {error}", path.display()))? {
            Content::Masked => Ok(false),
            Content::Text(text) => keys.apply(&text).map(|()| true).map_err(|why| format!("{}: {why}", path.display())),
        }
    }
}

/// A regular file of at most 1 MiB. Opening a FIFO or a device does not wait for the other side.
pub fn read(path: &Path) -> io::Result<Content> {
    let mut file = File::options().read(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path)?;
    let metadata = file.metadata()?;
    let is_null = metadata.file_type().is_char_device() && metadata.rdev() == makedev(1, 3);
    if is_null || (metadata.is_file() && metadata.len() == 0) {
        return Ok(Content::Masked);
    }
    if !metadata.is_file() {
        return Err(Error::other("not a regular file"));
    }
    if metadata.len() > LARGEST {
        return Err(Error::other("larger than 1 MiB"));
    }
    // A regular file gives all of itself to one read; what is appended in this very moment is the next run's.
    let mut bytes = vec![0; metadata.len() as usize];
    let length = file.read(&mut bytes)?;
    bytes.truncate(length);
    let text = String::from_utf8(bytes).map_err(|_| Error::other("not UTF-8"))?;
    Ok(Content::Text(text))
}
