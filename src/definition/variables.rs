//! `${name}` in the strings of a definition that has a table `[variables]`. Without the table every string is literal.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::source::{Layer, Origin};
use super::suggest;
use super::tree::{Node, Table, Value};
use super::types::Name;

/// Set by soute, and by nobody else.
pub const BUILT_IN: [&str; 3] = ["name", "n", "host"];

/// What the built-in variables say of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// `${name}`.
    pub name: Name,
    /// `${n}`: which of the replicas it is, from 1; none for a container that is the only one.
    pub n: Option<u32>,
}

impl Instance {
    /// The only container of a definition.
    pub fn only(name: Name) -> Self {
        Self { name, n: None }
    }

    /// The value of a built-in variable.
    pub fn built_in(&self, name: &str) -> Option<String> {
        match name {
            "name" => Some(self.name.to_string()),
            "n" => self.n.map(|n| n.to_string()),
            "host" => Some(rustix::system::uname().nodename().to_string_lossy().into_owned()),
            _ => None,
        }
    }
}

/// Puts values in the place of their names, in what the site and the user wrote: an image's strings and the command line's
/// stay as they are.
pub(super) fn replace(root: &mut Table, instance: &Instance) -> Vec<Fault> {
    let Some(Node { value: Value::Table(variables), .. }) = root.get("variables") else { return Vec::new() };
    // A definition with replicas is looked at as its first.
    let first = Instance { n: Some(1), ..instance.clone() };
    let instance = if instance.n.is_none() && root.contains_key("replicas") { &first } else { instance };
    let own = variables.iter().filter_map(|(name, node)| Some((name.clone(), node.as_str()?.to_owned())));
    let mut replacer = Replacer { own: own.collect(), instance, faults: Vec::new() };
    for built_in in BUILT_IN {
        if let Some(node) = variables.get(built_in) {
            let fault = Fault::new(format!("the variable {built_in} is set by soute"), Some(node.key.clone()));
            replacer.faults.push(fault.at(format!("variables.{built_in}")));
        }
    }
    for (key, node) in root.iter_mut().filter(|(key, _)| *key != "variables") {
        replacer.node(node, key);
    }
    replacer.faults
}

/// What a text says with the values in it, or the name of the variable that there is not; an open brace ends it too.
pub fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, &str> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &from[2..];
            continue;
        }
        expanded.push_str(before);
        let (name, after) = from[2..].split_once('}').ok_or(from)?;
        expanded.push_str(&value(name).ok_or(name)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

struct Replacer<'a> {
    own: BTreeMap<String, String>,
    instance: &'a Instance,
    faults: Vec<Fault>,
}

impl Replacer<'_> {
    fn node(&mut self, node: &mut Node, path: &str) {
        let literal = matches!(node.origin.source.layer, Layer::Image | Layer::CommandLine);
        match &mut node.value {
            Value::Text(text) if !literal => {
                match expand(text, |name| self.own.get(name).cloned().or_else(|| self.instance.built_in(name))) {
                    Ok(expanded) => *text = expanded,
                    Err(name) => {
                        let fault = self.unknown(name, &node.origin);
                        self.faults.push(fault.at(path));
                    }
                }
            }
            Value::List(list) => list.iter_mut().for_each(|element| self.node(element, path)),
            Value::Table(table) => {
                table.iter_mut().for_each(|(key, node)| self.node(node, &format!("{path}.{key}")));
            }
            _ => {}
        }
    }

    fn unknown(&self, name: &str, origin: &Origin) -> Fault {
        let shown = super::types::escaped(name);
        if name.starts_with("${") {
            return Fault::new(format!("\"{shown}\" has no end"), Some(origin.clone()))
                .help("write ${name}, or $${ for the two characters themselves");
        }
        if name == "n" {
            return Fault::new("there is no variable n", Some(origin.clone()))
                .help("n is the number of a replica: add replicas = 3");
        }
        let fault = Fault::new(format!("there is no variable {shown}"), Some(origin.clone()));
        match suggest::nearest(name, self.own.keys().map(String::as_str).chain(BUILT_IN)) {
            Some(near) => fault.help(format!("did you mean \"${{{near}}}\"?")),
            None => fault.help(format!("add it to [variables], or write $${{{shown}}} for the text itself")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::source::Source;
    use crate::definition::tree;

    fn replaced(text: &str, n: Option<u32>) -> (Table, Vec<String>) {
        let mut table = tree::parse(&Source::new("web.toml", text, Layer::Main)).unwrap();
        let faults = replace(&mut table, &Instance { name: "web-2".parse().unwrap(), n });
        (table, faults.iter().map(ToString::to_string).collect())
    }

    fn text(table: &Table, key: &str) -> String {
        table[key].as_str().unwrap().to_owned()
    }

    #[test]
    fn values_take_the_place_of_names_in_strings_alone() {
        let (table, faults) = replaced("a = '${port}:${name}.${n}'", Some(2));
        assert_eq!((text(&table, "a"), faults), ("${port}:${name}.${n}".to_owned(), vec![]));
        let (table, faults) = replaced(
            "a = '${port}:${name}.${n}'\nb = '$${port} $5 $'\n[c]\n'${port}' = ['${port}']\n[variables]\nport = '80'",
            Some(2),
        );
        assert_eq!(faults, [""; 0]);
        assert_eq!((text(&table, "a"), text(&table, "b")), ("80:web-2.2".to_owned(), "${port} $5 $".to_owned()));
        assert_eq!(table["c"].as_table().unwrap()["${port}"].elements()[0].as_str(), Some("80"));
        assert_eq!(text(table["variables"].as_table().unwrap(), "port"), "80");
    }

    #[test]
    fn what_is_unknown_or_unfinished_is_a_fault_with_a_suggestion() {
        let (_, faults) =
            replaced("a = '${prot}'\nb = '${port'\nc = '${n}'\n[variables]\nport = '1'\nhost = 'x'", None);
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(faults[0].contains("the variable host is set by soute"), "{faults:?}");
        assert!(faults[1].contains("there is no variable prot"), "{faults:?}");
        assert!(faults[2].contains("has no end"), "{faults:?}");
        assert!(faults[3].contains("there is no variable n"), "{faults:?}");
    }

    #[test]
    fn what_an_image_says_is_never_looked_into() {
        let source = Source::new("image", "entrypoint = ['${name}']", Layer::Image);
        let mut table = tree::parse(&source).unwrap();
        table.extend(tree::parse(&Source::new("web.toml", "[variables]\n", Layer::Main)).unwrap());
        assert_eq!(replace(&mut table, &Instance::only("web".parse().unwrap())), []);
        assert_eq!(table["entrypoint"].elements()[0].as_str(), Some("${name}"));
    }
}
