//! `soute show`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::Value as Json;

use crate::definition::source::{Layer, Origin};
use crate::definition::tree::{Node, Value};
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::host::definitions::load;
use crate::image::disk::switch;
use crate::output::{json, stdout};
use crate::settings::Host;

/// Shows a container's merged definition, each value with the file and line that it comes from.
#[derive(Debug, Args)]
pub struct Show {
    /// The container.
    name: Name,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    name: String,
    files: Vec<PathBuf>,
    definition: Json,
    origins: BTreeMap<String, String>,
    /// The disk of before its last update.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<KeptDisk>,
}

#[derive(Serialize)]
struct KeptDisk {
    image: String,
    since: Option<String>,
}

impl Show {
    /// Prints it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let loaded = load(host, &self.name).with_context(|| format!("cannot show {}", self.name))?;
        // Who may not look at disks may look at definitions.
        let kept = switch::kept(&host.layout, &self.name).ok().flatten();
        let kept = kept.map(|kept| KeptDisk { image: kept.image().to_owned(), since: kept.since });
        let text = match self.json {
            false => loaded.show() + &comment(&self.name, kept.as_ref()),
            true => {
                let mut origins = BTreeMap::new();
                let definition = to_json(&loaded.tree, "", &mut origins);
                let name = loaded.name.to_string();
                json::document(&Document { name, files: loaded.files, definition, origins, kept })?
            }
        };
        stdout::write(&text).map(|()| ExitCode::SUCCESS)
    }
}

fn comment(name: &Name, kept: Option<&KeptDisk>) -> String {
    kept.map_or_else(String::new, |kept| {
        format!("# The disk of before its last update is kept, a copy of {}: soute rollback {name}\n", kept.image)
    })
}

/// The value, and the place of each value in it that is no table: `limits.memory`, `network[0].bridge`.
fn to_json(node: &Node, path: &str, origins: &mut BTreeMap<String, String>) -> Json {
    if !matches!(node.value, Value::Table(_)) && !path.is_empty() {
        origins.insert(path.to_owned(), place(&node.origin));
    }
    match &node.value {
        Value::Bool(flag) => Json::from(*flag),
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) => Json::from(*number),
        Value::Text(text) | Value::Date(text) => Json::from(text.as_str()),
        Value::List(list) => {
            let tables = list.iter().any(|element| matches!(element.value, Value::Table(_)));
            let mut ignored = BTreeMap::new();
            let elements = list.iter().enumerate().map(|(index, element)| match tables {
                true => to_json(element, &format!("{path}[{index}]"), origins),
                false => to_json(element, "", &mut ignored),
            });
            elements.collect()
        }
        Value::Table(table) => {
            let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            table.iter().map(|(key, node)| (key.clone(), to_json(node, &inner(key), origins))).collect()
        }
    }
}

fn place(origin: &Origin) -> String {
    match origin.source.layer {
        Layer::Image | Layer::CommandLine => origin.source.name.clone(),
        _ => origin.to_string(),
    }
}
