//! One container, from its files to a checked definition.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::Host;
use super::declared::Declared;
use super::decode::{self, Decoded};
use super::fault::{Fault, Faults};
use super::merge::Parsed;
use super::model::Definition;
use super::outline::Outline;
use super::search::{self, Found, Replica};
use super::source::{Layer, Origin, Source};
use super::tree::{Node, Value};
use super::types::{EnvironmentName, Name, Text};
use super::{check, relative};
use crate::error::{Error, Exit};
use crate::layout::Layout;

/// A definition that can be started, with where all of it comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The container.
    pub name: Name,
    /// Which of several containers of its definition it is.
    pub replica: Option<Replica>,
    /// Everything in it, the image's entrypoint, command, user, working directory and stop signal included.
    pub definition: Definition,
    /// Variables of the image that no layer set or unset: below `environment-files`, which are below `environment`.
    pub image_environment: BTreeMap<EnvironmentName, Text>,
    /// The merged values with their origins.
    pub tree: Node,
    /// The files that were read, lowest first; NAME.toml among them unless all was on the command line.
    pub files: Vec<PathBuf>,
    /// What works, and should be known.
    pub warnings: Vec<Fault>,
}

/// Why there is no definition.
#[derive(Debug)]
pub enum Failure {
    /// No such container, or its files cannot be searched for.
    Error(Error),
    /// It has faults.
    Faults(Faults),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Error(error) => error,
            Failure::Faults(faults) => faults.into(),
        }
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Faults(faults)
    }
}

/// The container of that name, `flags` over its files. `declared` tells what an image declares, if it is in the store.
pub fn load(
    layout: &Layout,
    name: &Name,
    declared: impl FnOnce(&Name) -> Option<Declared>,
    flags: toml::Table,
    host: Host,
) -> Result<Loaded, Failure> {
    match search::find(layout, name) {
        Ok(Some(found)) => load_found(layout, &found, declared, flags, host).map_err(Failure::Faults),
        Ok(None) => Err(Failure::Error(Error::new(Exit::NotFound, format!("no container is called {name}")))),
        Err(error) => Err(Failure::Error(error)),
    }
}

/// The container of those files.
pub fn load_found(
    layout: &Layout,
    found: &Found,
    declared: impl FnOnce(&Name) -> Option<Declared>,
    flags: toml::Table,
    host: Host,
) -> Result<Loaded, Faults> {
    finish(found.name.clone(), Parsed::read(layout, found)?.with_flags(flags)?, declared, host)
}

/// A container that has no file, only flags and the site's defaults.
pub fn load_flags(
    layout: &Layout,
    name: &Name,
    declared: impl FnOnce(&Name) -> Option<Declared>,
    flags: toml::Table,
    host: Host,
) -> Result<Loaded, Faults> {
    finish(name.clone(), Parsed::flags(layout, name, flags)?, declared, host)
}

fn finish(
    name: Name,
    parsed: Parsed,
    declared: impl FnOnce(&Name) -> Option<Declared>,
    host: Host,
) -> Result<Loaded, Faults> {
    let (main, files) = (parsed.main.clone(), parsed.files.clone());
    let (replica, clash) = (parsed.replica.clone(), parsed.clash.clone());
    let declared = parsed.image().and_then(|image| declared(&image));
    let merged = parsed.merge(declared.as_ref())?;
    let mut faults = merged.faults;
    let mut root = decode::root(merged.tree, &main);
    faults.extend(newer_schema(&root).map_or_else(Vec::new, |fault| vec![fault]));
    if faults.iter().any(|fault| fault.path == "schema") {
        return Err(Faults(faults));
    }
    let refused = BTreeSet::new();
    if let Value::Table(table) = &mut root.value {
        faults.extend(relative::resolve(table));
    }
    let Decoded { definition, faults: more, refused } = decode::decode(&mut root, refused);
    // What a value would be is not known where a variable of it is not.
    let told: Vec<_> = faults.iter().filter_map(|fault| fault.origin.clone()).collect();
    faults.extend(more.into_iter().filter(|fault| fault.origin.as_ref().is_none_or(|origin| !told.contains(origin))));
    let Some(mut definition) = definition else { return Err(sorted(faults)) };
    faults.extend(check::one(&definition, &root, &refused, declared.is_some(), host));
    faults.extend(unnamed(&name, &definition, &root));
    faults.extend(clash.map(|template| clashes(&name, &template, &main)));
    let faults = sorted(faults);
    if faults.fatal() {
        return Err(faults);
    }
    let image_environment = take_image_environment(&mut definition, &root);
    Ok(Loaded { name, replica, definition, image_environment, tree: root, files, warnings: faults.0 })
}

fn sorted(faults: Vec<Fault>) -> Faults {
    let mut faults = Faults(faults);
    faults.sort();
    faults
}

/// The number is part of each name.
fn unnamed(name: &Name, definition: &Definition, root: &Node) -> Option<Fault> {
    let last = definition.replicas.filter(|count| *count > 0)?;
    let refused = format!("{name}-{last}").parse::<Name>().err()?;
    let node = root.as_table()?.get("replicas")?;
    Some(Fault::new(refused.message, Some(node.origin.clone())).at("replicas"))
}

/// Two definitions of one container: the file wins, and somebody meant the other one.
fn clashes(name: &Name, template: &Path, main: &Arc<Source>) -> Fault {
    let template = super::types::escaped(&template.to_string_lossy());
    Fault::new(format!("{name} is one of the replicas of {template} too"), Some(Origin::whole(main)))
        .help(format!("rename this file, or make it a drop-in {name}.toml.d/50-own.toml of that replica"))
}

/// All other faults of a newer format would be noise.
fn newer_schema(root: &Node) -> Option<Fault> {
    let node = root.as_table()?.get("schema")?;
    let (Value::Integer(schema), known) = (&node.value, super::SCHEMA) else { return None };
    (*schema > i64::from(known)).then(|| {
        Fault::new(
            format!("schema {schema} is newer than this soute, which knows schema {known}"),
            Some(node.origin.clone()),
        )
        .at("schema")
    })
}

/// Files of variables lie between the image's variables and the definition's own, so they are kept apart.
fn take_image_environment(definition: &mut Definition, root: &Node) -> BTreeMap<EnvironmentName, Text> {
    let nodes = root.as_table().and_then(|table| table.get("environment")).and_then(Node::as_table);
    let of_image = |name: &EnvironmentName| {
        nodes.and_then(|nodes| nodes.get(name.as_str())).is_some_and(|node| node.origin.source.layer == Layer::Image)
    };
    let (image, own) = std::mem::take(&mut definition.environment).into_iter().partition(|(name, _)| of_image(name));
    definition.environment = own;
    image
}

impl Loaded {
    /// What other containers have to know of it.
    pub fn outline(&self) -> Outline {
        Outline::new(self.name.clone(), &self.tree).with_replica(self.replica.as_ref())
    }
}
