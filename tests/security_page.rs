//! What soute-security(7) lists is what the code has.

use std::collections::BTreeSet;
use std::path::Path;

use soute::audit::expect;
use soute::definition::types::CapabilitySet;
use soute::seccomp::{Action, Machine, Rules};

/// The text between two headings of the page.
fn section(heading: &str) -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/soute-security.7")).unwrap();
    let start = page.find(&format!("\n.Ss {heading}\n")).expect("the heading") + heading.len() + 6;
    let end = page[start..].find("\n.S").expect("another heading");
    page[start..start + end].to_owned()
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}

#[test]
fn capabilities() {
    let text = section("Capabilities");
    let listed: BTreeSet<_> =
        words(&text).into_iter().filter(|word| word.len() > 3 && !word.contains(char::is_lowercase)).collect();
    let base: Vec<_> = CapabilitySet::base().iter().map(|one| one.to_string()).collect();
    let base: BTreeSet<_> = base.iter().map(|name| name.trim_start_matches("CAP_")).collect();
    assert_eq!(listed, base);
    assert_eq!(expect::CAPABILITIES, CapabilitySet::base().mask());
}

#[test]
fn files_of_the_kernel() {
    let text = section("Files of the kernel");
    let paths = |text: &str| -> BTreeSet<String> {
        let paths = words(text).into_iter().filter(|word| word.starts_with("/proc") || word.starts_with("/sys"));
        paths.map(|path| path.trim_end_matches('.').to_owned()).collect()
    };
    let (_, empty) = text.split_once("these are empty:").expect("the list");
    let (empty, rest) = empty.split_once("Read-only are").expect("the other list");
    let mut masked: BTreeSet<_> = expect::MASKED.map(str::to_owned).into();
    // Of these few machines have any.
    masked.insert("/sys/devices/system/cpu/cpu*/thermal_throttle".to_owned());
    assert_eq!(paths(empty), masked);
    let (read_only, _) = rest.split_once("belongs to").expect("what is not read-only");
    let mut wanted: BTreeSet<_> = expect::READ_ONLY.map(str::to_owned).into();
    // "Control groups included", and what the next sentence is about.
    wanted.remove("/sys/fs/cgroup");
    wanted.insert("/proc/sys/net".to_owned());
    assert_eq!(paths(read_only), wanted);
}

#[test]
fn system_calls() {
    let [native, _] = Machine::X86_64.entries();
    let open = native.calls().into_iter().filter(|(_, name)| !matches!(Rules::DEFAULT.action(name), Action::Refuse(_)));
    let open = open.count();
    let text = section("System calls");
    assert!(text.contains(&format!("{open} of the calls of x86-64")), "it is {open}");
}
