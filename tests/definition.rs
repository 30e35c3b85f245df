//! Golden definitions: each line of tests/definition/*.toml says in a comment which faults it has, and it has no others.
//!
//! `#! COLUMN message => help` is an error in its own line, `#? …` a warning; `#! LINE:COLUMN …` is one in another line.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use soute::definition::search::Found;
use soute::definition::{Fault, Host, Loaded, Severity, load_found};
use soute::layout::Layout;

/// Line, column, severity, message and help.
type Entry = (usize, usize, bool, String, String);

fn expected(text: &str) -> BTreeSet<Entry> {
    let mut entries = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let marks: Vec<usize> = line.match_indices("#! ").chain(line.match_indices("#? ")).map(|(at, _)| at).collect();
        for &at in &marks {
            let end = marks.iter().copied().filter(|&mark| mark > at).min().unwrap_or(line.len());
            let (place, rest) = line[at + 3..end].trim().split_once(' ').expect("a place and a message");
            let (line_number, column) = match place.split_once(':') {
                Some((line, column)) => (line.parse().unwrap(), column),
                None => (number + 1, place),
            };
            let (message, help) = rest.split_once(" => ").unwrap_or((rest, ""));
            let error = line[at..].starts_with("#!");
            entries.insert((line_number, column.parse().unwrap(), error, message.to_owned(), help.to_owned()));
        }
    }
    entries
}

fn found(faults: &[Fault]) -> BTreeSet<Entry> {
    let entries = faults.iter().map(|fault| {
        let (line, column) = fault.origin.as_ref().expect("every fault has a place").line_column();
        let help = fault.help.clone().unwrap_or_default();
        (line, column, fault.severity == Severity::Error, fault.message.clone(), help)
    });
    entries.collect()
}

fn load(path: &Path) -> Result<Loaded, Vec<Fault>> {
    let nowhere = Layout::new("/nonexistent");
    let host = Host { systemd: Some(252) };
    load_found(&nowhere, &Found::file(path).unwrap(), |_| None, toml::Table::new(), host).map_err(|faults| faults.0)
}

#[test]
fn golden_definitions_have_the_faults_that_they_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/definition");
    let mut files = 0;
    let mut wrong = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let faults = match load(&path) {
            Ok(loaded) => loaded.warnings,
            Err(faults) => faults,
        };
        let (expected, found) = (expected(&fs::read_to_string(&path).unwrap()), found(&faults));
        for (line, column, error, message, help) in found.difference(&expected) {
            let mark = if *error { "#!" } else { "#?" };
            wrong += &format!("{}:{line}: not expected: {mark} {column} {message} => {help}\n", path.display());
        }
        for (line, column, _, message, help) in expected.difference(&found) {
            wrong += &format!("{}:{line}: not found: {column} {message} => {help}\n", path.display());
        }
        files += 1;
    }
    assert!(files >= 12, "only {files} golden definitions");
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_key_is_read_as_it_is_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/definition/every-key.toml");
    let loaded = load(&path).unwrap();
    let d = &loaded.definition;
    assert_eq!(d.environment_files[1].path.as_str(), path.with_file_name("web.env").to_str().unwrap());
    assert_eq!(d.mount[0].source.as_ref().unwrap().to_string(), path.with_file_name("www").to_str().unwrap());
    assert_eq!((d.limits.cpus.to_string(), d.limits.write_bandwidth.to_string()), ("1.5".into(), "12500kB/s".into()));
    assert_eq!(d.network[0].address[1].to_string(), "fd00:88::10/64");
    assert_eq!(d.capabilities().mask(), 1);
    // What is serialized reads back as the same, so a definition can travel.
    let json = serde_json::to_string(d).unwrap();
    assert_eq!(&serde_json::from_str::<soute::definition::Definition>(&json).unwrap(), d);
}

/// The keys of every table, "mount.target" for those of an array's entries.
fn keys(value: &toml::Value, path: &str, keys: &mut BTreeSet<String>) {
    const FREE: [&str; 8] =
        ["labels", "environment", "variables", "hosts", "sysctl", "systemd", "limits.rlimits", "credentials"];
    match value {
        toml::Value::Table(table) if !FREE.contains(&path) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                self::keys(value, &path, keys);
                keys.insert(path);
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|value| self::keys(value, path, keys)),
        _ => {}
    }
}

fn schema_keys(schema: &serde_json::Value, path: &str, keys: &mut BTreeSet<String>) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        schema_keys(inner, &path, keys);
        keys.insert(path);
    }
    for word in ["anyOf", "oneOf"] {
        schema[word].as_array().into_iter().flatten().for_each(|inner| schema_keys(inner, path, keys));
    }
    if schema["items"].is_object() {
        schema_keys(&schema["items"], path, keys);
    }
}

/// The fixture above has every key of soute.toml(5); the schema for editors has those and no others.
#[test]
fn the_schema_has_every_key() {
    let text = include_str!("definition/every-key.toml");
    let (mut written, mut known) = (BTreeSet::new(), BTreeSet::new());
    keys(&toml::from_str(text).unwrap(), "", &mut written);
    // Those that exclude others.
    written.extend(["reload.command", "disk.size", "health.command", "health.tcp"].map(str::to_owned));
    let schema = soute::definition::schema::json_schema();
    schema_keys(&schema, "", &mut known);
    known.retain(|key| !key.ends_with("remove"));
    assert_eq!(written, known);
    let page = include_str!("../man/soute.toml.5");
    let words: BTreeSet<&str> =
        page.lines().filter(|line| line.contains("Ic ")).flat_map(str::split_whitespace).collect();
    for key in &known {
        let name = key.rsplit('.').next().unwrap();
        let table = page.contains(&format!(".Sh [{key}]")) || page.contains(&format!("[[{key}]]"));
        assert!(table || words.contains(name), "soute.toml(5) does not know {key}");
    }
    assert!(
        schema["properties"]["limits"]["properties"]["memory"]["description"].as_str().unwrap().contains("MemoryMax=")
    );
}

/// Whatever is done to a definition, each fault has a place in its text and can be shown.
#[test]
fn no_text_makes_it_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.toml");
    let pieces = [
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        "\n",
        "-1",
        "0x",
        "é",
        "\u{202e}",
        "1e400",
        "nan",
        "[[mount]]\n",
        "\t",
    ];
    let mut faulty = 0;
    for round in 0..200 {
        let mut text = include_str!("definition/every-key.toml").to_owned();
        for _ in 0..=random(4) {
            let at = (0..=random(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap();
            let end = (at..text.len()).take(random(12) + 1).rfind(|&end| text.is_char_boundary(end)).unwrap_or(at);
            text.replace_range(at..end, if round % 3 == 0 { "" } else { pieces[random(pieces.len())] });
        }
        fs::write(&path, &text).unwrap();
        if let Err(faults) = load(&path) {
            faulty += 1;
            for fault in &faults {
                let span = fault.origin.as_ref().unwrap_or_else(|| panic!("{fault} has no place")).span();
                assert!(span.end <= text.len() || span.start == 0, "{fault}");
            }
            let shown = soute::output::diagnostics::render(&faults, false);
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        }
    }
    assert!(faulty > 100, "only {faulty} of 200 were faulty");
}

/// Every string of the tree and every key that is the user's own, with `spoil` at its end, one after the other.
fn spoiled(value: &toml::Value, path: &str, spoil: &str, rebuild: &dyn Fn(toml::Value), count: &mut usize) {
    match value {
        toml::Value::String(text) => {
            *count += 1;
            rebuild(format!("{text}{spoil}").into());
        }
        toml::Value::Array(list) => {
            for (index, element) in list.iter().enumerate() {
                let inside = |element: toml::Value| {
                    let mut list = list.clone();
                    list[index] = element;
                    rebuild(list.into());
                };
                spoiled(element, path, spoil, &inside, count);
            }
        }
        toml::Value::Table(table) => {
            for (key, inner) in table {
                let inside = |inner: toml::Value| {
                    let mut table = table.clone();
                    table.insert(key.clone(), inner);
                    rebuild(table.into());
                };
                spoiled(inner, key, spoil, &inside, count);
                if ["labels", "environment", "variables", "hosts", "sysctl", "systemd", "rlimits"].contains(&path) {
                    let mut table = table.clone();
                    let inner = table.remove(key).unwrap();
                    table.insert(format!("{key}{spoil}"), inner);
                    *count += 1;
                    rebuild(table.into());
                }
            }
        }
        _ => {}
    }
}

/// StartTransientUnit writes what it is given into a unit file: a line break would be a directive of its own.
#[test]
fn attack_02_no_string_takes_a_control_character() {
    let whole: toml::Value = toml::from_str(include_str!("definition/every-key.toml")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.toml");
    let refused = |value: toml::Value| {
        let text = toml::to_string(&value).unwrap();
        fs::write(&path, &text).unwrap();
        assert!(load(&path).is_err(), "{text}");
    };
    fs::write(&path, toml::to_string(&whole).unwrap()).unwrap();
    load(&path).expect("the premise: unspoiled it is fine");
    for spoil in ["\nExecStartPre=/bin/x", "\r", "\0", "\u{1b}[2J", "\u{7f}", "\u{9b}", "\u{202e}", "\u{2028}"] {
        let mut count = 0;
        spoiled(&whole, "", spoil, &refused, &mut count);
        assert!(count > 80, "only {count} strings");
    }
}

#[test]
fn a_definition_survives_the_snapshot() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/definition/every-key.toml");
    let definition = load(&path).unwrap().definition;
    let state = tempfile::tempdir().unwrap();
    assert_eq!(soute::plan::declared(state.path()).unwrap(), None);
    soute::plan::declare(state.path(), &definition).unwrap();
    assert_eq!(soute::plan::declared(state.path()).unwrap(), Some(definition));
}
