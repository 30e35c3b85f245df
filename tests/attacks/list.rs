//! README.md and the tests say the same.

use std::collections::BTreeSet;
use std::path::Path;

fn names(text: &str) -> BTreeSet<String> {
    let word = |at: usize| {
        let end = text[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len() - at);
        text[at..at + end].to_owned()
    };
    text.match_indices("attack_").map(|(at, _)| word(at)).filter(|name| is_attack(name)).collect()
}

/// attack_01_what
fn is_attack(name: &str) -> bool {
    let mut parts = name.splitn(3, '_').skip(1);
    parts.next().is_some_and(|row| row.len() == 2 && row.parse::<u8>().is_ok()) && parts.next().is_some()
}

fn sources(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        match path.extension().and_then(|end| end.to_str()) {
            _ if path.is_dir() => sources(&path, found),
            Some("rs") => {
                let text = std::fs::read_to_string(&path).unwrap();
                let functions = text.lines().filter_map(|line| line.trim().strip_prefix("fn "));
                found.extend(functions.flat_map(names));
            }
            _ => {}
        }
    }
}

#[test]
fn every_row_and_every_test_is_in_the_list() {
    let list = include_str!("README.md");
    let top = crate::lab::source();
    let mut written = BTreeSet::new();
    sources(&top.join("tests"), &mut written);
    sources(&top.join("src"), &mut written);
    let listed = names(list);
    let missing: Vec<_> = written.difference(&listed).collect();
    let absent: Vec<_> = listed.difference(&written).collect();
    assert!(missing.is_empty() && absent.is_empty(), "tests/attacks/README.md lacks {missing:?}, and has {absent:?}");
    for row in 1..=48 {
        assert!(list.contains(&format!("\n| {row} | ")), "row {row}");
    }
}
