//! The four keys that boot is about, merged through the layers as every key is (soute.toml(5)).

use toml::de::{DeTable, DeValue};

use crate::definition::types::Dependency;

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

impl Keys {
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
                let names = strings(key, value.get_ref())?.into_iter().map(str::parse);
                *list = names.collect::<Result<_, _>>().map_err(|refused| format!("{key}: {refused}"))?;
            }
        }
        Ok(())
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

    fn merged(layers: &[&str]) -> Keys {
        let mut keys = Keys::default();
        layers.iter().for_each(|layer| keys.apply(layer).unwrap());
        keys
    }

    #[test]
    fn lists_replace_and_unset_comes_before_the_layers_own_keys() {
        let keys = merged(&["autostart = true\nrequires = ['db', 'cache']\nafter = 'x.target'", "requires = 'db'"]);
        assert!(keys.autostart);
        assert_eq!(keys.requires, ["db".parse().unwrap()]);
        assert_eq!(keys.after, ["x.target".parse().unwrap()]);
        let keys = merged(&["autostart = true\nafter = 'a'", "unset = ['autostart', 'after']\nafter = 'b'"]);
        assert_eq!(keys, Keys { after: vec!["b".parse().unwrap()], ..Keys::default() });
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        for wrong in ["autostart = 'yes'", "autostart = true\nautostart = true", "after = [1]", "wants = 'A B'", "x = "]
        {
            assert!(Keys::default().apply(wrong).is_err(), "{wrong}");
        }
        assert!(Keys::default().apply("no-such-key = 1\n[table]\nautostart = 3").is_ok());
    }
}
