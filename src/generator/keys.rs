//! The five keys that boot is about, merged through the layers as every key is (soute.toml(5)).

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::definition::types::{Dependency, NetworkNamespace};
use crate::definition::variables::{Instance, expand};

/// What a definition says about its start, layer by layer: names may have variables in them, whose values the next layer may
/// bring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    autostart: bool,
    requires: Vec<String>,
    wants: Vec<String>,
    after: Vec<String>,
    network: Option<String>,
    /// Replaced only where a layer has the table.
    variables: Option<BTreeMap<String, String>>,
}

/// What a definition says about its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Launch it at boot.
    pub autostart: bool,
    /// Needed, and started before.
    pub requires: Vec<Dependency>,
    /// Wanted, and started before.
    pub wants: Vec<Dependency>,
    /// Not asked for, but before if at all.
    pub after: Vec<Dependency>,
}

impl Layers {
    /// Puts one layer on top. Other keys are not looked at: whoever starts the container checks them.
    pub fn apply(&mut self, text: &str) -> Result<(), String> {
        let document = DeTable::parse(text).map_err(|error| error.message().to_owned())?;
        let table = document.get_ref();
        if let Some(unset) = table.get("unset") {
            for key in strings("unset", unset.get_ref())? {
                match key {
                    "autostart" => self.autostart = false,
                    "requires" => self.requires.clear(),
                    "wants" => self.wants.clear(),
                    "after" => self.after.clear(),
                    "variables" => self.variables = None,
                    "namespaces" | "namespaces.network" => self.network = None,
                    _ => {}
                }
            }
        }
        match table.get("autostart").map(|value| value.get_ref()) {
            Some(DeValue::Boolean(autostart)) => self.autostart = *autostart,
            Some(_) => return Err("autostart is neither true nor false".to_owned()),
            None => {}
        }
        for (key, list) in [("requires", &mut self.requires), ("wants", &mut self.wants), ("after", &mut self.after)] {
            if let Some(value) = table.get(key) {
                *list = strings(key, value.get_ref())?.into_iter().map(str::to_owned).collect();
            }
        }
        let network = table.get("namespaces").and_then(|value| value.get_ref().get("network"));
        if let Some(DeValue::String(network)) = network.map(|value| value.get_ref()) {
            self.network = Some(network.to_string());
        }
        if let Some(DeValue::Table(variables)) = table.get("variables").map(|value| value.get_ref()) {
            let own = variables.iter().filter_map(|(name, value)| match value.get_ref() {
                DeValue::String(text) => Some((name.get_ref().to_string(), text.to_string())),
                _ => None,
            });
            self.variables.get_or_insert_default().extend(own);
        }
        Ok(())
    }

    /// What they come to. A launcher with replicas starts all of them, so it waits for what the first waits for.
    pub fn keys(&self, name: &str) -> Result<Keys, String> {
        let read = |key: &str, list: &[String]| -> Result<Vec<Dependency>, String> {
            let names =
                list.iter().map(|text| self.expand(name, text)?.parse().map_err(|refused| format!("{key}: {refused}")));
            names.collect()
        };
        let mut requires = read("requires", &self.requires)?;
        if let Some(network) = &self.network {
            let network: NetworkNamespace =
                self.expand(name, network)?.parse().map_err(|refused| format!("namespaces.network: {refused}"))?;
            requires.extend(network.container().map(|other| Dependency::Container(other.clone())));
        }
        Ok(Keys {
            autostart: self.autostart,
            requires,
            wants: read("wants", &self.wants)?,
            after: read("after", &self.after)?,
        })
    }

    fn expand(&self, name: &str, text: &str) -> Result<String, String> {
        let Some(variables) = &self.variables else { return Ok(text.to_owned()) };
        let instance = name.parse().ok().map(|name| Instance { name, n: Some(1) });
        let value = |name: &str| variables.get(name).cloned().or_else(|| instance.as_ref()?.built_in(name));
        expand(text, value).map_err(|name| format!("there is no variable {name}"))
    }
}

/// A list of strings, which may be written as one string.
fn strings<'a>(key: &str, value: &'a DeValue<'_>) -> Result<Vec<&'a str>, String> {
    let text = |value: &'a DeValue<'_>| match value {
        DeValue::String(text) => Ok(&**text),
        _ => Err(format!("{key} is not a list of strings")),
    };
    match value {
        DeValue::Array(array) => array.iter().map(|element| text(element.get_ref())).collect(),
        one => text(one).map(|text| vec![text]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(layers: &[&str]) -> Result<Keys, String> {
        let mut keys = Layers::default();
        layers.iter().try_for_each(|layer| keys.apply(layer))?;
        keys.keys("web")
    }

    #[test]
    fn lists_replace_and_unset_comes_before_the_layers_own_keys() {
        let keys =
            merged(&["autostart = true\nrequires = ['db', 'cache']\nafter = 'x.target'", "requires = 'db'"]).unwrap();
        assert!(keys.autostart);
        assert_eq!(keys.requires, ["db".parse().unwrap()]);
        assert_eq!(keys.after, ["x.target".parse().unwrap()]);
        let keys = merged(&["autostart = true\nafter = 'a'", "unset = ['autostart', 'after']\nafter = 'b'"]).unwrap();
        assert_eq!(keys, Keys { after: vec!["b".parse().unwrap()], ..Keys::default() });
    }

    #[test]
    fn whose_network_it_shares_is_required() {
        let keys = merged(&["namespaces.network = 'container:db'", "requires = 'x'"]).unwrap();
        assert_eq!(keys.requires, ["x".parse().unwrap(), "db".parse().unwrap()]);
        let keys = merged(&["namespaces.network = 'container:db'", "namespaces.network = 'host'"]).unwrap();
        assert_eq!(keys, Keys::default());
    }

    #[test]
    fn names_have_the_variables_of_all_layers() {
        let keys =
            merged(&["requires = 'db-${stage}'\nafter = '${name}-${n}'\n[variables]", "variables.stage = 'test'"]);
        let expected = Keys {
            requires: vec!["db-test".parse().unwrap()],
            after: vec!["web-1".parse().unwrap()],
            ..Keys::default()
        };
        assert_eq!(keys, Ok(expected));
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        let wrong = ["autostart = 'yes'", "autostart = true\nautostart = true", "after = [1]", "wants = 'A B'", "x = "];
        for wrong in wrong.into_iter().chain(["after = '${x}'", "after = '${x}'\n[variables]\ny = 'x'"]) {
            assert!(merged(&[wrong]).is_err(), "{wrong}");
        }
        assert!(merged(&["no-such-key = 1\n[table]\nautostart = 3"]).is_ok());
    }
}
