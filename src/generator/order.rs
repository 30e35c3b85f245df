//! Who comes after whom, with what systemd would answer by dropping a job taken out. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::keys::Keys;
use super::sources::Source;
use crate::definition::types::{Dependency, LATE_TARGETS};

/// One launcher to start at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The container.
    pub name: String,
    /// Where its definition lies.
    pub path: PathBuf,
    /// Units that it comes after.
    pub after: BTreeSet<String>,
    /// Units that it asks for.
    pub wants: BTreeSet<String>,
}

impl Launch {
    /// What a definition asks for.
    pub fn new(source: &Source, keys: Keys) -> Self {
        let wants: BTreeSet<String> = keys.requires.iter().chain(&keys.wants).map(unit).collect();
        let after = keys.after.iter().map(unit).chain(wants.iter().cloned()).collect();
        Self { after, wants, ..Self::unread(source) }
    }

    /// One whose definition could not be read.
    pub fn unread(source: &Source) -> Self {
        let (name, path) = (source.name.clone(), source.path.clone());
        Self { name, path, after: BTreeSet::new(), wants: BTreeSet::new() }
    }
}

/// The launcher of a container.
pub fn launcher(name: &str) -> String {
    format!("soute-start@{name}.service")
}

fn unit(dependency: &Dependency) -> String {
    match dependency {
        Dependency::Container(name) => launcher(name),
        Dependency::Unit(unit) => unit.clone(),
    }
}

/// Takes out the orders that no boot could keep, and says which. systemd would delete a job of the cycle, and the
/// container would silently not start.
pub fn untangle(launches: &mut [Launch]) -> Vec<String> {
    let mut told = Vec::new();
    for launch in launches.iter_mut() {
        for target in LATE_TARGETS {
            if launch.after.remove(target) {
                told.push(format!("{} comes before {target} and cannot come after it, ignoring that", launch.name));
            }
        }
    }
    let tangled = tangled(launches);
    if tangled.is_empty() {
        return told;
    }
    let names: Vec<&str> = tangled.iter().map(|&node| &*launches[node].name).collect();
    told.push(format!(
        "cycle of requires, wants or after among {}, ignoring: launching them in no order",
        names.join(", ")
    ));
    let units: BTreeSet<String> = names.into_iter().map(launcher).collect();
    for node in tangled {
        launches[node].after.retain(|unit| !units.contains(unit));
    }
    told
}

/// Those that are left when whoever waits for nobody, and whoever nobody waits for, is taken away until none is: every
/// cycle, and what lies between two.
fn tangled(launches: &[Launch]) -> Vec<usize> {
    let nodes: BTreeMap<String, usize> = launches.iter().map(|launch| launcher(&launch.name)).zip(0..).collect();
    let earlier: Vec<Vec<usize>> = launches
        .iter()
        .map(|launch| launch.after.iter().filter_map(|unit| nodes.get(unit).copied()).collect())
        .collect();
    let mut later = vec![Vec::new(); launches.len()];
    for (node, before) in earlier.iter().enumerate() {
        before.iter().for_each(|&first| later[first].push(node));
    }
    let mut left = vec![true; launches.len()];
    peel(&earlier, &later, &mut left);
    peel(&later, &earlier, &mut left);
    (0..launches.len()).filter(|&node| left[node]).collect()
}

/// Takes away, again and again, whatever has no edge `to` one that is left.
fn peel(to: &[Vec<usize>], from: &[Vec<usize>], left: &mut [bool]) {
    let mut edges: Vec<usize> = to.iter().map(|nodes| nodes.iter().filter(|&&node| left[node]).count()).collect();
    let mut free: Vec<usize> = (0..to.len()).filter(|&node| left[node] && edges[node] == 0).collect();
    while let Some(node) = free.pop() {
        left[node] = false;
        for &waiting in from[node].iter().filter(|&&waiting| left[waiting]) {
            edges[waiting] -= 1;
            if edges[waiting] == 0 {
                free.push(waiting);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launches(edges: &[(&str, &[&str])]) -> Vec<Launch> {
        let after = |names: &[&str]| {
            names.iter().map(|name| if name.contains('.') { (*name).into() } else { launcher(name) }).collect()
        };
        edges
            .iter()
            .map(|(name, names)| Launch {
                name: (*name).into(),
                path: PathBuf::new(),
                after: after(names),
                wants: BTreeSet::new(),
            })
            .collect()
    }

    #[test]
    fn an_order_that_can_be_kept_is_kept() {
        let mut diamond =
            launches(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d", "x.target"]), ("d", &["elsewhere"])]);
        let before = diamond.clone();
        assert_eq!(untangle(&mut diamond), [""; 0]);
        assert_eq!(diamond, before);
    }

    #[test]
    fn cycles_lose_their_order_and_nothing_else_does() {
        let mut tangle = launches(&[
            ("a", &["b", "x.target"]),
            ("b", &["c"]),
            ("c", &["a", "free"]),
            ("free", &[]),
            ("self", &["self"]),
            ("web", &["a"]),
        ]);
        let told = untangle(&mut tangle);
        assert_eq!(
            told,
            ["cycle of requires, wants or after among a, b, c, self, ignoring: launching them in no order"]
        );
        assert_eq!(
            tangle,
            launches(&[
                ("a", &["x.target"]),
                ("b", &[]),
                ("c", &["free"]),
                ("free", &[]),
                ("self", &[]),
                ("web", &["a"])
            ])
        );
    }

    #[test]
    fn a_launcher_does_not_wait_for_the_end_of_boot() {
        let mut late = launches(&[("a", &["multi-user.target", "network-online.target"])]);
        assert_eq!(untangle(&mut late), ["a comes before multi-user.target and cannot come after it, ignoring that"]);
        assert_eq!(late, launches(&[("a", &["network-online.target"])]));
    }

    #[test]
    fn a_long_chain_takes_no_recursion() {
        let names: Vec<String> = (0..100_000).map(|n| format!("c{n}")).collect();
        let edges: Vec<[&str; 1]> = names.iter().skip(1).map(|name| [&**name]).collect();
        let mut chain =
            launches(&names.iter().zip(&edges).map(|(name, edge)| (&**name, &edge[..])).collect::<Vec<_>>());
        assert_eq!(untangle(&mut chain), [""; 0]);
    }
}
