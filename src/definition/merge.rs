//! From files to one tree: read, parsed, merged; nothing is decoded yet. The boot generator stops here.

use std::path::PathBuf;
use std::sync::Arc;

use super::declared::Declared;
use super::fault::{Fault, Faults};
use super::layers::Merged;
use super::read::read;
use super::search::{Found, Replica};
use super::source::{Layer, Source};
use super::tree::{self, Node, Table};
use super::types::Name;
use super::variables::{self, Instance};
use crate::layout::Layout;

/// The layers of one container, parsed and not merged yet, lowest first.
#[derive(Debug)]
pub struct Parsed {
    layers: Vec<(Layer, Table)>,
    instance: Instance,
    /// Which of several containers it is.
    pub replica: Option<Replica>,
    /// A definition whose replica has its name too.
    pub clash: Option<PathBuf>,
    /// NAME.toml.
    pub main: Arc<Source>,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
}

impl Parsed {
    /// Reads defaults.toml, NAME.toml and the drop-ins. Syntax errors of all of them are reported together.
    pub fn read(layout: &Layout, found: &Found) -> Result<Self, Faults> {
        let defaults = read_defaults(layout).map_err(Faults)?;
        Self::read_over(defaults.as_ref(), layout, found)
    }

    /// The same for many containers, over defaults that were read once.
    pub fn read_over(defaults: Option<&Table>, layout: &Layout, found: &Found) -> Result<Self, Faults> {
        let mut files = Vec::new();
        let mut layers = Vec::new();
        let mut faults = Vec::new();
        if let Some(defaults) = defaults {
            files.push(layout.defaults());
            layers.push((Layer::Defaults, defaults.clone()));
        }
        let mut main = None;
        let drop_ins = found.drop_ins.iter().map(|path| (path, Layer::DropIn));
        for (path, layer) in std::iter::once((&found.main, Layer::Main)).chain(drop_ins) {
            let source = match read(path, layer, found.explicit) {
                Ok(Some(source)) => source,
                // It was not masked when it was found; an empty definition says that its image is missing.
                Ok(None) if layer == Layer::Main => Source::new(path.to_string_lossy(), "", layer),
                Ok(None) => continue,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            match tree::parse(&source) {
                Ok(table) => layers.push((layer, table)),
                Err(more) => faults.extend(more),
            }
            files.push(path.clone());
            main.get_or_insert(source);
        }
        match main {
            Some(main) if faults.is_empty() => {
                let (replica, clash) = (found.replica.clone(), found.clash.clone());
                Ok(Self { layers, instance: found.instance(), replica, clash, main, files })
            }
            _ => Err(Faults(faults)),
        }
    }

    /// Flags alone, for a container that has no file.
    pub fn flags(layout: &Layout, name: &Name, flags: toml::Table) -> Result<Self, Faults> {
        let main = command_line(flags);
        let table = tree::parse(&main).map_err(Faults)?;
        let mut layers = Vec::new();
        let mut files = Vec::new();
        if let Some(defaults) = read_defaults(layout).map_err(Faults)? {
            files.push(layout.defaults());
            layers.push((Layer::Defaults, defaults));
        }
        layers.push((Layer::CommandLine, table));
        Ok(Self { layers, instance: Instance::only(name.clone()), replica: None, clash: None, main, files })
    }

    /// Puts the flags of the command line on top.
    pub fn with_flags(mut self, flags: toml::Table) -> Result<Self, Faults> {
        if !flags.is_empty() {
            self.layers.push((Layer::CommandLine, tree::parse(&command_line(flags)).map_err(Faults)?));
        }
        Ok(self)
    }

    /// The image that the topmost layer names.
    pub fn image(&self) -> Option<Name> {
        let of_layer = |node: &'_ Node| match node.as_table() {
            Some(table) => table.get("name").and_then(Node::as_str).map(str::to_owned),
            None => node.as_str().map(str::to_owned),
        };
        let text = self.layers.iter().rev().find_map(|(_, table)| of_layer(table.get("image")?))?;
        let variable = |name: &str| {
            let own = self.layers.iter().rev().find_map(|(_, table)| table.get("variables")?.as_table()?.get(name));
            own.map_or_else(|| self.instance.built_in(name), |own| own.as_str().map(str::to_owned))
        };
        match self.layers.iter().any(|(_, table)| table.contains_key("variables")) {
            true => variables::expand(&text, variable).ok()?.parse().ok(),
            false => text.parse().ok(),
        }
    }

    /// One tree, over what the image declares.
    pub fn merge(self, declared: Option<&Declared>) -> Result<Merged, Faults> {
        let mut merged = Merged::default();
        if let Some(declared) = declared {
            merged.add(Layer::Image, tree::parse(&declared.source()).map_err(Faults)?);
        }
        for (layer, table) in self.layers {
            merged.add(layer, table);
        }
        merged.faults.extend(variables::replace(&mut merged.tree, &self.instance));
        Ok(merged)
    }
}

/// defaults.toml, if there is one.
pub fn read_defaults(layout: &Layout) -> Result<Option<Table>, Vec<Fault>> {
    let path = layout.defaults();
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    match read(&path, Layer::Defaults, false) {
        Ok(Some(source)) => tree::parse(&source).map(Some),
        Ok(None) => Ok(None),
        Err(fault) => Err(vec![fault]),
    }
}

fn command_line(flags: toml::Table) -> Arc<Source> {
    Source::new("command line", flags.to_string(), Layer::CommandLine)
}
