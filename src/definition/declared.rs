//! What an image declares; the only things that it may.

use std::sync::Arc;

use super::source::{Layer, Source};

/// The lowest layer: of an image's configuration these keys, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// The image's name, for the origins.
    pub image: String,
    /// ENTRYPOINT
    pub entrypoint: Option<Vec<String>>,
    /// CMD
    pub command: Option<Vec<String>>,
    /// ENV, names and values.
    pub environment: Vec<(String, String)>,
    /// USER
    pub user: Option<String>,
    /// WORKDIR
    pub working_directory: Option<String>,
    /// STOPSIGNAL
    pub stop_signal: Option<String>,
}

impl Declared {
    /// As TOML, so that its faults are shown like those of a file.
    pub(super) fn source(&self) -> Arc<Source> {
        let mut table = toml::Table::new();
        let mut set =
            |key: &str, value: Option<toml::Value>| drop(value.map(|value| table.insert(key.to_owned(), value)));
        let list = |list: &Vec<String>| toml::Value::from(list.clone());
        set("entrypoint", self.entrypoint.as_ref().map(list));
        set("command", self.command.as_ref().map(list));
        set("user", self.user.clone().map(toml::Value::from));
        set("working-directory", self.working_directory.clone().map(toml::Value::from));
        let environment: toml::Table =
            self.environment.iter().map(|(name, value)| (name.clone(), toml::Value::from(value.clone()))).collect();
        set("environment", (!environment.is_empty()).then(|| environment.into()));
        let signal =
            self.stop_signal.clone().map(|signal| toml::Table::from_iter([("signal".to_owned(), signal.into())]));
        set("stop", signal.map(toml::Value::from));
        Source::new(format!("image {}", self.image), table.to_string(), Layer::Image)
    }
}
