//! `autostart` in a definition: where it is said, and where to say otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, value};

use super::replace::Replacement;
use crate::definition::merge::Parsed;
use crate::definition::search::Found;
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::output::diagnostics;
use crate::settings::Host;

/// The drop-in that says it where the definition is not ours to edit. The others sort behind what other drop-ins say.
const DROP_INS: [&str; 3] = ["50-autostart.toml", "95-autostart.toml", "zz-autostart.toml"];

/// A file of a definition.
struct Layer {
    path: PathBuf,
    document: DocumentMut,
}

/// All files of a definition, lowest first: defaults.toml, NAME.toml, drop-ins.
struct Layers<'a> {
    host: &'a Host,
    layers: Vec<Layer>,
    /// Which of them is NAME.toml.
    main: usize,
    own: PathBuf,
    name: String,
}

/// Makes `autostart` come to `wanted`, and tells which files were changed for it: none, if it is so already.
pub fn set(host: &Host, found: &Found, wanted: bool) -> Result<()> {
    let mut layers = Layers::read(host, found)?;
    while layers.autostart() != wanted {
        layers.change(wanted)?;
    }
    Ok(())
}

impl<'a> Layers<'a> {
    fn read(host: &'a Host, found: &Found) -> Result<Self> {
        // Nothing is changed in a definition that nobody can read.
        let parsed = Parsed::read(&host.layout, found).map_err(|faults| diagnostics::refuse(&faults.0))?;
        let layers: Vec<Layer> = parsed.files.iter().map(|path| Layer::read(path)).collect::<Result<_>>()?;
        let main = layers.iter().position(|layer| layer.path == found.main).unwrap_or(0);
        Ok(Self { host, layers, main, own: host.layout.own_definitions(), name: found.name.to_string() })
    }

    /// What the layers come to.
    fn autostart(&self) -> bool {
        self.layers.iter().rev().find_map(Layer::says).unwrap_or_default().unwrap_or(false)
    }

    /// One change, in the file that should have it. Either the layer that decides is gone, or it says what is wanted, so
    /// there is an end to this.
    fn change(&mut self, wanted: bool) -> Result<()> {
        let decides = self.layers.iter().rposition(|layer| layer.says().is_some());
        let index = match decides {
            // What an earlier call of ours has said is taken back, which may be enough.
            Some(index) if self.is_own_drop_in(index) => {
                let layer = self.layers.remove(index);
                fs::remove_file(&layer.path).with_context(|| format!("cannot remove {}", layer.path.display()))?;
                // Not empty, or the administrator's own: it stays.
                let _ = layer.path.parent().map(fs::remove_dir);
                eprintln!("removed {}", layer.path.display());
                return Ok(());
            }
            Some(index) if index >= self.main && self.is_editable(index) => index,
            Some(index) if index > self.main => self.add_drop_in(Some(index))?,
            _ if self.is_editable(self.main) => self.main,
            _ => self.add_drop_in(None)?,
        };
        let layer = &mut self.layers[index];
        layer.say(wanted);
        Replacement::begin(&layer.path, &layer.document.to_string())?.commit()?;
        eprintln!("changed {}", layer.path.display());
        Ok(())
    }

    /// Below /etc/soute/containers, and not a link to what a package has brought.
    fn is_editable(&self, index: usize) -> bool {
        let path = &self.layers[index].path;
        path.starts_with(&self.own) && definitions::is_ours(self.host, path)
    }

    /// A drop-in of ours with nothing else in it.
    fn is_own_drop_in(&self, index: usize) -> bool {
        let Layer { path, document } = &self.layers[index];
        let named = path.file_name().is_some_and(|name| DROP_INS.iter().any(|own| name == *own));
        index > self.main && named && self.is_editable(index) && document.len() == 1
    }

    fn add_drop_in(&mut self, after: Option<usize>) -> Result<usize> {
        let file_name = |index: usize| self.layers[index].path.file_name().unwrap_or_default().to_owned();
        let taken = |own: &&str| (self.main + 1..self.layers.len()).any(|index| file_name(index) == **own);
        let above = |own: &&str| after.is_none_or(|index| *file_name(index) < *std::ffi::OsStr::new(own));
        let Some(name) = DROP_INS.iter().find(|own| above(own) && !taken(own)) else {
            let path = after.map(|index| self.layers[index].path.display().to_string()).unwrap_or_default();
            return Err(Error::new(
                Exit::Failed,
                format!("{path} says otherwise, and no drop-in of ours comes after it"),
            ));
        };
        let path = self.own.join(format!("{}.toml.d", self.name)).join(name);
        let behind = |index: &usize| *file_name(*index) > *std::ffi::OsStr::new(name);
        let index = (self.main + 1..self.layers.len()).find(behind).unwrap_or(self.layers.len());
        self.layers.insert(index, Layer { path, document: DocumentMut::new() });
        Ok(index)
    }
}

impl Layer {
    fn read(path: &Path) -> Result<Self> {
        let text = String::from_utf8_lossy(&definitions::read(path)?).into_owned();
        let document =
            text.parse().map_err(Error::failed).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { path: path.to_owned(), document })
    }

    /// Nothing; that nothing below counts (`unset`); or a value.
    fn says(&self) -> Option<Option<bool>> {
        let unset = |item: &Item| match item.as_array() {
            Some(list) => list.iter().any(|key| key.as_str() == Some("autostart")),
            None => item.as_str() == Some("autostart"),
        };
        match self.document.get("autostart") {
            Some(item) => Some(item.as_bool()),
            None => self.document.get("unset").filter(|item| unset(item)).map(|_| None),
        }
    }

    /// Comments and order stay as they are.
    fn say(&mut self, wanted: bool) {
        match self.document.get_mut("autostart").and_then(Item::as_value_mut) {
            Some(old) => {
                let decor = old.decor().clone();
                *old = wanted.into();
                *old.decor_mut() = decor;
            }
            None => self.document["autostart"] = value(wanted),
        }
    }
}
