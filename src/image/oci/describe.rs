//! The documents of an image of one layer. The same image gives the same bytes, so there is no time in them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::digest::Digest;
use super::document::{CONFIG, INDEX, LAYER, MANIFEST};
use super::platform::architecture;
use crate::image::store::Declared;

/// A blob that has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its name and its content.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Container<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<&'a str, Empty>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<&'a str>,
}

#[derive(Serialize)]
struct Empty {}

/// The configuration: what the image declares, and its layer as it is unpacked.
pub fn config(declared: &Declared, diff_id: &Digest) -> String {
    let container = Container {
        user: declared.user.as_deref(),
        exposed_ports: declared.exposed_ports.iter().map(|port| (port.as_str(), Empty {})).collect(),
        env: declared.environment.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        entrypoint: declared.entrypoint.as_deref(),
        cmd: declared.command.as_deref(),
        working_dir: declared.working_directory.as_deref(),
        labels: &declared.labels,
        stop_signal: declared.stop_signal.as_deref(),
    };
    json!({
        // What is in the store is of this machine's.
        "architecture": architecture(),
        "os": "linux",
        "config": container,
        "rootfs": { "type": "layers", "diff_ids": [diff_id.to_string()] },
        "history": [{ "created_by": "soute image export" }],
    })
    .to_string()
}

/// The manifest of a configuration and a layer compressed by gzip.
pub fn manifest(config: &Blob, layer: &Blob) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST[0],
        "config": descriptor(CONFIG[0], config),
        "layers": [descriptor(LAYER[1], layer)],
    })
    .to_string()
}

/// The index that has this manifest by a name.
pub fn index(manifest: &Blob, name: &str) -> String {
    let mut entry = descriptor(MANIFEST[0], manifest);
    entry["platform"] = json!({ "architecture": architecture(), "os": "linux" });
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    json!({ "schemaVersion": 2, "mediaType": INDEX[0], "manifests": [entry] }).to_string()
}

fn descriptor(media_type: &str, blob: &Blob) -> serde_json::Value {
    json!({ "mediaType": media_type, "digest": blob.digest.to_string(), "size": blob.size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::oci::config::Config;
    use crate::image::oci::document::Document;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let full = Declared {
            entrypoint: Some(vec!["/init".to_owned()]),
            command: Some(vec!["a".to_owned(), "b \"c\"".to_owned()]),
            user: Some("www-data:33".to_owned()),
            working_directory: Some("/srv".to_owned()),
            stop_signal: Some("SIGQUIT".to_owned()),
            exposed_ports: vec!["443/tcp".to_owned(), "80/tcp".to_owned()],
            environment: pair("A", "b=c"),
            labels: pair("note", r"two\u{a}lines"),
        };
        let layer = Digest::of(b"layer");
        for declared in [full, Declared::default()] {
            let read = Config::parse(config(&declared, &layer).as_bytes()).unwrap();
            assert_eq!((&read.declared, read.layers), (&declared, vec![layer.clone()]));
            read.platform.check().unwrap();
        }
    }

    #[test]
    fn documents_are_what_they_say() {
        let blob = |text: &str| Blob { digest: Digest::of(text.as_bytes()), size: text.len() as u64 };
        let text = manifest(&blob("config"), &blob("the layer"));
        let Document::Manifest { config, layers } = Document::parse(text.as_bytes(), Some(MANIFEST[0])).unwrap() else {
            panic!("{text}")
        };
        assert_eq!((config.digest, layers[0].size), (Digest::of(b"config"), 9));
        let text = index(&blob(&text), "nginx");
        let Document::Index(entries) = Document::parse(text.as_bytes(), Some(INDEX[0])).unwrap() else {
            panic!("{text}")
        };
        assert_eq!(entries[0].names().collect::<Vec<_>>(), ["nginx"]);
    }
}
