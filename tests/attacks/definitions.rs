//! Rows 2 and 43: whatever a definition says, what systemd has is what it was sent, before and after a daemon-reload, and in
//! the transient file there is no line more. tests/definition.rs has the half that needs no systemd: no string of any key
//! takes a control character.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use soute::definition::model::DirectiveValue;
use soute::definition::search::Found;
use soute::definition::{Host, directives, load_found};
use soute::image::store::{Declared, ImageInfo, Kind};
use soute::layout::Layout;
use soute::plan::{Facts, Plan, Property, Unit, Value};
use soute::systemd::{Manager, Start};

use crate::lab::in_labs;

/// Meaningful to unit files, shells or printf, and without control characters.
const HOSTILE: [&str; 10] = [
    "%n %i-%%-%H% ${HOME} $HOME $$",
    "a;b ; c # no comment",
    "back\\slash \\n \\x0a",
    "ends in \\",
    "\"",
    "'two' \"three\"'",
    " blanks  around ",
    "x\\nExecStartPre=/usr/bin/touch /canary-02",
    "-@!+:/usr/bin/touch /canary-02 `touch /canary-02` $(touch /canary-02)",
    "../../../é 漢 [Service]=~",
];

/// `value` with each of its strings, and each of the keys that are the user's own, replaced by one of `HOSTILE` or
/// followed by it.
fn variants(value: &toml::Value, path: &str, hostile: &str, rebuild: &mut dyn FnMut(toml::Value)) {
    match value {
        toml::Value::String(text) => {
            rebuild(hostile.into());
            rebuild(format!("{text}{hostile}").into());
        }
        toml::Value::Array(list) => {
            for (index, element) in list.iter().enumerate() {
                variants(element, path, hostile, &mut |element| {
                    let mut list = list.clone();
                    list[index] = element;
                    rebuild(list.into());
                });
            }
        }
        toml::Value::Table(table) => {
            for (key, inner) in table {
                variants(inner, key, hostile, &mut |inner| {
                    let mut table = table.clone();
                    table.insert(key.clone(), inner);
                    rebuild(table.into());
                });
                if ["labels", "environment", "hosts", "sysctl", "systemd", "rlimits"].contains(&path) {
                    let mut table = table.clone();
                    let inner = table.remove(key).unwrap();
                    table.insert(format!("{key}{hostile}"), inner);
                    rebuild(table.into());
                }
            }
        }
        _ => {}
    }
}

/// Every key of the schema, and every directive that takes a string. tests/definition.rs holds the file against the schema.
fn bases() -> Vec<toml::Table> {
    let mut whole: toml::Table = toml::from_str(include_str!("../definition/every-key.toml")).unwrap();
    whole["restart"]["policy"] = "no".into();
    whole["mount"][0]["source"] = "/srv/source-02".into();
    let mut bases = vec![whole];
    let takes_text = |name: &&str| {
        let text = DirectiveValue::Text("x".parse().unwrap());
        directives::lookup(name).is_some_and(|directive| directive.value(&text).is_ok())
    };
    for name in directives::names().filter(takes_text) {
        let systemd: toml::Table = [(name.to_owned(), toml::Value::from("x"))].into_iter().collect();
        let base = toml::toml! { image = "i" command = ["true"] restart = { policy = "no" } };
        bases.push(base.into_iter().chain([("systemd".to_owned(), systemd.into())]).collect());
    }
    bases
}

/// The unit of a definition, if the definition is accepted.
fn unit(definition: &toml::Table, name: &str) -> Option<Unit> {
    let directory = Path::new("/etc/soute/containers");
    fs::create_dir_all(directory).unwrap();
    let path = directory.join(format!("{name}.toml"));
    fs::write(&path, toml::to_string(definition).unwrap()).unwrap();
    let host = Host { systemd: Some(252) };
    let found = Found::file(&path).unwrap();
    let loaded = load_found(&Layout::new("/"), &found, |_| None, toml::Table::new(), host).ok();
    fs::remove_file(&path).unwrap();
    let image = ImageInfo {
        kind: Kind::Tree,
        fs: None,
        origin: "test".into(),
        digest: "sha256:ab".into(),
        manifest: None,
        pinned: None,
        verified: None,
        created: "2026-01-01T00:00:00Z".into(),
        size: 1,
        declared: Declared::default(),
    };
    let facts = Facts {
        name: name.to_owned(),
        replica_of: None,
        group: None,
        definition: Some(path),
        layout: Layout::new("/"),
        runner: "/usr/bin/true".into(),
        image,
        ids: Some(524_288),
        machined: None,
        addresses: Default::default(),
        resolvers: Vec::new(),
        machine_id: "0".repeat(32),
        ipv6: true,
        memory: 8 << 30,
        tasks: 32768,
        timezone: None,
        exposed: vec![],
        image_environment: vec![],
        file_environment: vec![],
    };
    let mut unit = Plan::build(&loaded?.definition, &facts).ok()?.unit;
    // What does not exist here would keep the unit from being made.
    unit.properties.retain(|property| !matches!(property.name.as_str(), "Requires" | "LogNamespace" | "Type"));
    // `true` has no readiness to tell, and the unit stays to be looked at.
    unit.properties.push(Property::new("Type", Value::Text("oneshot".to_owned())));
    unit.properties.push(Property::new("RemainAfterExit", Value::Bool(true)));
    Some(unit)
}

/// Units of all accepted variants, each once; those that only differ in what systemd never hears of are one.
fn units() -> Vec<Unit> {
    let mut seen = BTreeSet::new();
    let mut units = Vec::new();
    for base in bases() {
        for hostile in HOSTILE {
            let mut hold = |value: toml::Value| {
                let toml::Value::Table(definition) = value else { unreachable!("a definition is a table") };
                let Some(unit) = unit(&definition, "injected") else { return };
                if seen.insert(format!("{:?}", unit.properties)) {
                    units.push(unit);
                }
            };
            variants(&base.clone().into(), "", hostile, &mut hold);
        }
    }
    for (number, unit) in units.iter_mut().enumerate() {
        rename(unit, &format!("soute@injected-{number}.service"));
    }
    units
}

fn rename(unit: &mut Unit, name: &str) {
    unit.name = name.to_owned();
}

/// What systemd says of the properties that were sent, unit by unit.
fn shown(units: &[Unit]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for unit in units {
        let names: BTreeSet<_> = unit.properties.iter().map(|property| property.name.as_str()).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(",");
        let output = Command::new("systemctl").args(["show", "-p", &names, &unit.name]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut properties = BTreeMap::<String, String>::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let (name, value) = line.split_once('=').unwrap_or(("", line));
            // Lists come in any order, and what has run shows when it did.
            let value = value.split(" ; start_time=").next().unwrap_or(value);
            let mut words: Vec<_> = value.split(' ').collect();
            if unit.get(name).is_some_and(|value| matches!(value, Value::Texts(_))) {
                words.sort_unstable();
            }
            properties.entry(name.to_owned()).or_default().push_str(&(words.join(" ") + "\n"));
        }
        let sorted = |text: String| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines.join("\n")
        };
        all.insert(unit.name.clone(), properties.into_iter().map(|(name, text)| (name, sorted(text))).collect());
    }
    all
}

/// Every line of a transient file is a directive that was sent, or written by systemd for every unit.
fn stray_lines(unit: &Unit) -> Vec<String> {
    let text = fs::read_to_string(Path::new("/run/systemd/transient").join(&unit.name)).unwrap();
    let sent = |key: &str| {
        let stem = key.trim_end_matches("Sec").trim_end_matches("USec");
        unit.properties.iter().any(|property| property.name == key || property.name.trim_end_matches("USec") == stem)
            || directives::lookup(key).is_some_and(|directive| unit.get(directive.property).is_some())
            || ["CPUQuota", "TasksMax", "MemoryMax", "AllowedCPUs", "DeviceAllow"].contains(&key)
    };
    let stray = |line: &&str| {
        let plain = line.is_empty() || line.starts_with('#') || ["[Unit]", "[Service]"].contains(line);
        !plain && !line.split_once('=').is_some_and(|(key, _)| sent(key))
    };
    text.lines().filter(stray).map(str::to_owned).collect()
}

/// Makes the units, and holds what systemd says of them after a reload and a restart against what it said before.
fn survive_a_reload(units: &[Unit]) -> usize {
    let manager = Manager::connect().unwrap();
    fs::write("/run/systemd/system/soute-up@.target", "[Unit]\nStopWhenUnneeded=yes\n").unwrap();
    // What systemd refuses, no unit is made of.
    let accepted = |unit: &&Unit| manager.start_transient(unit, Start::default()).is_ok();
    let units: Vec<Unit> = units.iter().filter(accepted).cloned().collect();
    let mut wrong: Vec<String> = Vec::new();
    for unit in &units {
        wrong.extend(stray_lines(unit).iter().map(|line| format!("{}: {line:?}", unit.name)));
    }
    let before = shown(&units);
    assert!(Command::new("systemctl").arg("daemon-reload").status().unwrap().success());
    for (name, after) in shown(&units) {
        for (property, value) in &before[&name] {
            if after.get(property) != Some(value) {
                wrong.push(format!("{name}: {property} {value:?} is {:?} after a reload", after.get(property)));
            }
        }
    }
    let names = units.iter().map(|unit| &unit.name);
    let _ = Command::new("systemctl").arg("restart").args(names.clone()).output().unwrap();
    assert!(!Path::new("/canary-02").exists(), "a definition has run a command");
    let _ = Command::new("systemctl").arg("stop").args(names).output().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), units.len(), wrong.join("\n"));
    units.len()
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn attack_02_no_string_becomes_a_line_of_a_unit() {
    in_labs("definitions::attack_02_no_string_becomes_a_line_of_a_unit", || {
        let made = survive_a_reload(&units());
        assert!(made > 40, "the premise: only {made} units differ");
    });
}

/// A definition of random strings in all that reaches a unit, from the characters that mean something there.
fn random_definition(random: &mut impl FnMut(usize) -> usize) -> toml::Table {
    const PIECES: [&str; 20] =
        ["%", "$", "{", "}", "\\", "\"", "'", " ", ";", "#", "=", "[", "]", "n", "x41", "é", "@", "-", ":", "a"];
    let mut text = |before: &str| {
        let length = 1 + random(12);
        before.to_owned() + &(0..length).map(|_| PIECES[random(PIECES.len())]).collect::<String>()
    };
    let (description, identifier, source) = (text(""), text(""), text("/srv/"));
    let device = text("/srv/");
    let (argument, mounts, document) = (text(""), text("/srv/"), text("https://example.org/"));
    let one = |key: &str, value: toml::Value| toml::Value::Table([(key.to_owned(), value)].into_iter().collect());
    let device = [("path", device.into()), ("read-iops", toml::Value::from(5))];
    let device: toml::Table = device.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
    let limits = one("device", vec![toml::Value::Table(device)].into());
    let bind = [("source", source), ("target", "/x".to_owned())];
    let bind = bind.map(|(key, value)| (key.to_owned(), toml::Value::from(value))).into_iter().collect();
    let directives = [("RebootArgument", argument), ("RequiresMountsFor", mounts), ("Documentation", document)];
    let directives = directives.map(|(key, value)| (key.to_owned(), toml::Value::from(value))).into_iter().collect();
    let keys = [
        ("image", "i".into()),
        ("command", vec!["true"].into()),
        ("description", description.into()),
        ("log", one("identifier", identifier.into())),
        ("restart", one("policy", "no".into())),
        ("limits", limits),
        ("mount", vec![toml::Value::Table(bind)].into()),
        ("systemd", toml::Value::Table(directives)),
    ];
    keys.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn attack_43_random_definitions_read_back_as_they_were_sent() {
    if std::env::var_os("SOUTE_INSIDE").is_none() {
        for lab in [crate::lab::host(), crate::lab::trixie()] {
            lab.write("/root/attack-43-rounds", crate::rounds(40, 400).to_string());
        }
    }
    in_labs("definitions::attack_43_random_definitions_read_back_as_they_were_sent", || {
        let rounds = fs::read_to_string("/root/attack-43-rounds").unwrap().parse().unwrap();
        let mut state = u64::from_ne_bytes(fs::read("/proc/sys/kernel/random/uuid").unwrap()[..8].try_into().unwrap());
        println!("seed {state}");
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).unwrap()
        };
        let mut units = Vec::new();
        for number in 0..rounds {
            let whole = random_definition(&mut random);
            // One fault would hide what the other strings do.
            for key in ["description", "log", "limits", "mount", "systemd"] {
                let alone =
                    |(name, _): &(String, toml::Value)| ["image", "command", "restart", key].contains(&name.as_str());
                let name = format!("random-{number}-{key}");
                let unit = unit(&whole.clone().into_iter().filter(alone).collect(), "injected");
                units.extend(unit.map(|mut unit| {
                    rename(&mut unit, &format!("soute@{name}.service"));
                    unit
                }));
            }
        }
        assert!(units.len() > rounds, "the premise: only {} are definitions", units.len());
        survive_a_reload(&units);
    });
}
