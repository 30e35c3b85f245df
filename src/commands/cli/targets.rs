//! What words of the command line stand for: a container, the replicas of a definition, a group, a directory of definitions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::definition::types::{Name, Refused};
use crate::definition::{Outline, Site, search};
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::image::disk;
use crate::settings::Host;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A container, a definition with replicas, or a group; in this order.
    Name(Name),
    /// A directory of definitions: a path with a slash, or ".".
    Directory(PathBuf),
}

impl FromStr for Target {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        match text.contains('/') || text == "." || text == ".." {
            true => Ok(Self::Directory(text.into())),
            false => text.parse().map(Self::Name),
        }
    }
}

/// The containers of a definition with `replicas`; none for any other name.
pub fn replicas(host: &Host, name: &Name) -> Result<Option<Vec<Name>>> {
    let Some(found) = search::find(&host.layout, name)? else { return Ok(None) };
    let replicas = found.replicas(&host.layout)?;
    Ok(replicas.map(|replicas| replicas.into_iter().map(|replica| replica.name).collect()))
}

/// These containers, and the replicas of definitions that have them. What nobody has heard of stands for itself.
pub fn containers(host: &Host, names: &[Name]) -> Result<Vec<Name>> {
    let each = names.iter().map(|name| Ok(replicas(host, name)?.unwrap_or_else(|| vec![name.clone()])));
    Ok(once(each.collect::<Result<Vec<_>>>()?.into_iter().flatten()))
}

/// The same for every kind of target.
pub fn resolve(host: &Host, targets: &[Target]) -> Result<Vec<Name>> {
    let each = targets.iter().map(|target| match target {
        Target::Name(name) => named(host, name),
        Target::Directory(directory) => in_directory(host, directory),
    });
    Ok(once(each.collect::<Result<Vec<_>>>()?.into_iter().flatten()))
}

fn once(names: impl Iterator<Item = Name>) -> Vec<Name> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(name.clone())).collect()
}

fn named(host: &Host, name: &Name) -> Result<Vec<Name>> {
    if let Some(replicas) = replicas(host, name)? {
        return Ok(replicas);
    }
    let one = vec![name.clone()];
    if search::find(&host.layout, name)?.is_some() {
        return Ok(one);
    }
    let members: Vec<Name> = members(&Site::survey(&host.layout)?, name).collect();
    Ok(if members.is_empty() { one } else { members })
}

fn members(site: &Site, group: &Name) -> impl Iterator<Item = Name> {
    let of_group = site.outlines.iter().filter(move |outline| outline.group.as_ref() == Some(group));
    of_group.map(|outline| outline.name.clone())
}

/// Those whose definitions `soute up` has linked into that directory.
fn in_directory(host: &Host, directory: &Path) -> Result<Vec<Name>> {
    let directory = canonical(directory)?;
    let listing = search::all(&host.layout)?;
    let linked = |found: &search::Found| {
        found.main.canonicalize().is_ok_and(|main| main.parent() == Some(&*directory)) && found.main.is_symlink()
    };
    let names: Vec<Name> = listing.found.into_iter().filter(linked).map(|found| found.name).collect();
    match names.is_empty() {
        true => Err(Error::new(Exit::NotFound, format!("`soute up` was not given {}", directory.display()))),
        false => Ok(names),
    }
}

/// Those whose links lead to a file of that directory which is there no more, and the replicas that it made.
pub fn forsaken(host: &Host, directory: &Path) -> Result<Vec<Name>> {
    let directory = canonical(directory)?;
    let leads_into = |main: &Path| std::fs::read_link(main).is_ok_and(|to| to.parent() == Some(&*directory));
    let found = search::all(&host.layout)?.found.into_iter().filter(|found| !found.main.exists());
    let mut names = Vec::new();
    for found in found.filter(|found| leads_into(&found.main)) {
        names.extend(surplus(host, &found.name, 0, disk::names(&host.layout)?)?);
        names.push(found.name);
    }
    Ok(names)
}

/// The directory itself, whatever leads to it.
pub fn canonical(directory: &Path) -> Result<PathBuf> {
    let action = || format!("cannot use {}", directory.display());
    let canonical = directory.canonicalize().with_context(action)?;
    match canonical.is_dir() {
        true => Ok(canonical),
        false => Err(Error::new(Exit::Usage, "it is not a directory")).with_context(action),
    }
}

/// Whoever waits for another one after it, as far as they say so; the others in the order that they came in.
pub fn in_order(host: &Host, names: Vec<Name>) -> Result<Vec<Name>> {
    let outlines = Site::survey(&host.layout)?.outlines;
    let by_name: BTreeMap<&Name, &Outline> = outlines.iter().map(|outline| (&outline.name, outline)).collect();
    Ok(sorted(names, &by_name))
}

fn sorted(names: Vec<Name>, outlines: &BTreeMap<&Name, &Outline>) -> Vec<Name> {
    let mut left = names;
    let mut sorted = Vec::new();
    while !left.is_empty() {
        let waits = |name: &Name| {
            let outline = outlines.get(name);
            outline.is_some_and(|outline| {
                outline.waits_for().any(|(on, _)| left.iter().any(|left| left != name && is(outlines, left, on)))
            })
        };
        let (mut free, waiting): (Vec<_>, Vec<_>) = left.iter().cloned().partition(|name| !waits(name));
        // A circle, which each of them refuses when it starts.
        if free.is_empty() {
            sorted.extend(waiting);
            return sorted;
        }
        sorted.append(&mut free);
        left = waiting;
    }
    sorted
}

/// Whether a container is what another one waits for, by its own name or as a replica.
fn is(outlines: &BTreeMap<&Name, &Outline>, container: &Name, waited_for: &Name) -> bool {
    container == waited_for
        || outlines.get(container).is_some_and(|outline| outline.replica_of.as_ref() == Some(waited_for))
}

/// Of the replicas of a definition, those that it does not ask for any more.
pub fn surplus(host: &Host, of: &Name, count: u32, known: impl IntoIterator<Item = String>) -> Result<Vec<Name>> {
    let mut surplus = Vec::new();
    for name in known {
        let Ok(name) = name.parse::<Name>() else { continue };
        let Some((definition, n)) = crate::definition::replicas::split(&name) else { continue };
        if definition == *of && n > count && search::find(&host.layout, &name)?.is_none() {
            surplus.push((n, name));
        }
    }
    // The last that came goes first.
    surplus.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    Ok(surplus.into_iter().map(|(_, name)| name).collect())
}

/// Exit status 2 for a verb that is about a definition, on a name that has none of its own.
pub fn refuse_replica(host: &Host, name: &Name) -> Result<()> {
    match definitions::find(host, name)?.replica {
        Some(replica) => {
            let of = replica.of;
            Err(Error::new(
                Exit::Usage,
                format!("{name} is one of the replicas of {of}, and has no definition of its own"),
            ))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_a_slash_are_directories() {
        assert_eq!("shop".parse::<Target>().unwrap(), Target::Name("shop".parse().unwrap()));
        for directory in [".", "..", "./shop", "/srv/shop", "shop/"] {
            assert_eq!(directory.parse::<Target>().unwrap(), Target::Directory(directory.into()));
        }
        assert!("Shop".parse::<Target>().is_err());
    }

    #[test]
    fn what_is_waited_for_comes_first() {
        let name = |name: &str| name.parse::<Name>().unwrap();
        let origin = crate::definition::source::Origin::whole(&crate::definition::source::Source::new(
            "x",
            "",
            crate::definition::source::Layer::Main,
        ));
        let outline = |own: &str, after: &[&str], of: Option<&str>| Outline {
            after: after.iter().map(|after| (after.parse().unwrap(), origin.clone())).collect(),
            replica_of: of.map(name),
            ..Outline::unread(name(own))
        };
        let outlines = [
            outline("proxy", &["web"], None),
            outline("web-1", &["db"], Some("web")),
            outline("web-2", &["db"], Some("web")),
            outline("db", &["elsewhere"], None),
            outline("a", &["b"], None),
            outline("b", &["a"], None),
        ];
        let by_name = outlines.iter().map(|outline| (&outline.name, outline)).collect();
        let sort = |names: &[&str]| -> Vec<String> {
            sorted(names.iter().map(|one| name(one)).collect(), &by_name).iter().map(ToString::to_string).collect()
        };
        assert_eq!(sort(&["proxy", "web-2", "db", "web-1"]), ["db", "web-2", "web-1", "proxy"]);
        assert_eq!(sort(&["proxy", "db"]), ["proxy", "db"]);
        assert_eq!(sort(&["a", "b"]), ["a", "b"]);
    }
}
