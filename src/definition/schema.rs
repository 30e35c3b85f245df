//! The JSON Schema of a definition, made from the types that read it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::model::Definition;

/// Tables whose keys are the user's own.
const FREE: [&str; 8] =
    ["credentials", "labels", "environment", "variables", "hosts", "sysctl", "systemd", "limits.rlimits"];

/// /usr/share/soute/container-1.schema.json: for editors, of a definition and of its drop-ins.
pub fn json_schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Definition>().to_value();
    // One schema is for NAME.toml, for its drop-ins and for defaults.toml, and only the merged result needs an image.
    if let Some(object) = schema.as_object_mut() {
        object.remove("required");
    }
    let remove = json!({ "description": "In a drop-in: takes the entry of the lower layers out.", "type": "boolean" });
    let unset = json!({
        "description": "Keys of the lower layers that are dropped first, such as \"limits.memory\"; meant for drop-ins.",
        "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
    });
    schema["properties"]["unset"] = unset;
    schema["properties"]["network"]["items"]["properties"]["remove"] = remove.clone();
    schema["properties"]["mount"]["items"]["properties"]["remove"] = remove.clone();
    schema["properties"]["device"]["items"]["properties"]["remove"] = remove.clone();
    schema["properties"]["publish"]["items"]["properties"]["remove"] = remove.clone();
    schema["properties"]["limits"]["properties"]["device"]["items"]["properties"]["remove"] = remove;
    schema
}

/// Every table and its keys: "" is the top, "limits.device" the entries of an array of tables.
pub(super) fn tables() -> &'static BTreeMap<String, Vec<String>> {
    static TABLES: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables = BTreeMap::new();
        collect(&json_schema(), "", &mut tables);
        tables
    })
}

fn collect(schema: &Value, path: &str, tables: &mut BTreeMap<String, Vec<String>>) {
    if let Some(properties) = schema["properties"].as_object() {
        let keys = tables.entry(path.to_owned()).or_default();
        keys.extend(properties.keys().filter(|key| *key != "remove").cloned());
        for (key, inner) in properties {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            collect(inner, &path, tables);
        }
    }
    for word in ["anyOf", "oneOf"] {
        for inner in schema[word].as_array().into_iter().flatten() {
            collect(inner, path, tables);
        }
    }
    if schema["items"].is_object() {
        collect(&schema["items"], path, tables);
    }
}

/// Whether there is such a key, or could be.
pub(super) fn knows(path: &[String]) -> bool {
    let Some((key, above)) = path.split_last() else { return false };
    let above = above.join(".");
    FREE.contains(&above.as_str()) || tables().get(&above).is_some_and(|keys| keys.contains(key))
}
