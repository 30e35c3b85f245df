//! What soute.toml(5) says of the cost of a change is what the code says.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use soute::change::{CLASSES, Class};
use soute::definition::schema::json_schema;

/// The keys that a subsection of the page lists.
fn listed(heading: &str) -> BTreeSet<String> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/soute.toml.5")).unwrap();
    let start = page.find(&format!("\n.Ss {heading}\n")).expect("the heading");
    let text = &page[start + 1..];
    let text = &text[..text.find("\n.S").expect("another heading")];
    let lines: Vec<&str> = text.lines().collect();
    let items = lines.windows(2).filter(|pair| pair[0] == ".It").map(|pair| pair[1]);
    items.map(|line| line.trim_start_matches(".Ic ").to_owned()).collect()
}

fn of(class: Class) -> BTreeSet<String> {
    CLASSES.iter().filter(|(_, of)| *of == class).map(|(key, _)| (*key).to_owned()).collect()
}

#[test]
fn the_page_lists_the_classes() {
    for (heading, class) in [("Live", Class::Live), ("A restart", Class::Restart), ("A new disk", Class::Recreate)] {
        assert_eq!(listed(heading), of(class), "{heading}");
    }
}

/// Every key of the schema, without indexes.
fn keys(schema: &Value, path: &str, all: &mut BTreeSet<String>) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys(inner, &path, all);
        all.insert(path);
    }
    for word in ["anyOf", "oneOf"] {
        schema[word].as_array().into_iter().flatten().for_each(|inner| keys(inner, path, all));
    }
    if schema["items"].is_object() {
        keys(&schema["items"], path, all);
    }
}

#[test]
fn every_class_is_of_a_key_and_every_key_has_one() {
    let mut all = BTreeSet::new();
    keys(&json_schema(), "", &mut all);
    for (key, _) in CLASSES {
        assert!(all.contains(key), "{key} is no key");
    }
    let class = |key: &str| Class::of(key);
    for (key, wanted) in [
        ("limits.memory", Class::Live),
        ("limits.device.read-iops", Class::Live),
        ("limits.rlimits.nofile", Class::Restart),
        ("network.address", Class::Live),
        ("network.bridge", Class::Live),
        ("network.mtu", Class::Live),
        ("network.mac", Class::Restart),
        ("dns.servers", Class::Live),
        ("hosts.api", Class::Live),
        ("health.command", Class::Live),
        ("health.retries", Class::Live),
        ("health.interval", Class::Restart),
        ("labels", Class::Live),
        ("autostart", Class::Live),
        ("image", Class::Recreate),
        ("disk.mode", Class::Recreate),
        ("disk.tmpfs", Class::Restart),
        ("mount.source", Class::Restart),
        ("environment.PATH", Class::Restart),
        ("command", Class::Restart),
        ("security.seccomp", Class::Restart),
        ("sysctl", Class::Restart),
    ] {
        assert_eq!(class(key), wanted, "{key}");
    }
    // Without a say of its own a key costs a restart, which is never too little for what the snapshot has.
    for key in all.iter().filter(|key| !CLASSES.iter().any(|(listed, _)| key.starts_with(listed))) {
        assert_eq!(class(key), Class::Restart, "{key}");
    }
}
