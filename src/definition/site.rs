//! All containers of a host at once: what they claim, what they wait for. Nothing is decoded, so that a start can afford
//! to look at a thousand neighbours.

use std::path::PathBuf;

use super::check::across::across;
use super::check::conflict::Conflict;
use super::fault::Faults;
use super::merge::{Parsed, read_defaults};
use super::outline::Outline;
use super::types::{Name, Refused};
use super::{decode, layers, search};
use crate::error::Result;
use crate::layout::Layout;

/// Every container that is defined.
#[derive(Debug, Default)]
pub struct Site {
    /// One for each, also for those that cannot be read: they exist all the same.
    pub outlines: Vec<Outline>,
    /// Those that cannot be read.
    pub broken: Vec<(Name, Faults)>,
    /// Files whose name is none that a container can have.
    pub misnamed: Vec<(PathBuf, Refused)>,
}

impl Site {
    /// Reads every definition of the host.
    pub fn survey(layout: &Layout) -> Result<Self> {
        let listing = search::all(layout)?;
        let mut site = Self { misnamed: listing.misnamed, ..Self::default() };
        // A fault in defaults.toml is reported by whoever loads a definition over it.
        let defaults = read_defaults(layout).ok().flatten();
        for found in listing.found {
            let merged = Parsed::read_over(defaults.as_ref(), layout, &found).and_then(|parsed| {
                let main = parsed.main.clone();
                parsed.merge(None).map(|layers::Merged { tree, .. }| decode::root(tree, &main))
            });
            match merged {
                Ok(root) => {
                    let outline = Outline::new(found.name, &root);
                    site.outlines.push(outline.with_replica(found.replica.as_ref()));
                }
                Err(faults) => {
                    let outline = Outline::unread(found.name.clone());
                    site.outlines.push(outline.with_replica(found.replica.as_ref()));
                    site.broken.push((found.name, faults));
                }
            }
        }
        Ok(site)
    }

    /// Puts a container in the place of the one of its name: as it is on the command line, or in an editor.
    pub fn with(mut self, outline: Outline) -> Self {
        self.outlines.retain(|other| other.name != outline.name);
        self.outlines.push(outline);
        self
    }

    /// What stands between the containers.
    pub fn conflicts(&self) -> Vec<Conflict> {
        across(&self.outlines)
    }

    /// What keeps that one from starting, or should be known of it.
    pub fn conflicts_of(&self, name: &Name) -> Faults {
        let mine = self.conflicts().into_iter().filter(|conflict| conflict.names.contains(name));
        Faults(mine.map(|conflict| conflict.fault).collect())
    }
}
