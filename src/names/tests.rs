//! The whole of it, in a directory.

use super::*;
use crate::plan::LinkKind;
use std::fs;

fn container(name: &str, links: &[(&str, &[&str])], hosts: &str) -> Plan {
    let mut plan = Plan::example(name);
    let cidr = |address: &&str| address.parse().unwrap();
    plan.links = links
        .iter()
        .map(|(bridge, addresses)| Link {
            kind: LinkKind::Bridge(Port { bridge: (*bridge).to_owned(), ..Port::default() }),
            addresses: addresses.iter().map(cidr).collect(),
            ..Link::default()
        })
        .collect();
    let (target, content) = ("/etc/hosts".to_owned(), hosts.to_owned());
    plan.sandbox.files = vec![FileSource { target, content, after_image: true, kept: true, leased: false }];
    plan
}

fn start(layout: &Layout, plan: &Plan) {
    make_private(&layout.state(&plan.name)).unwrap();
    create(layout, plan, "").unwrap();
    join(layout, plan).unwrap();
}

/// The names that it finds, but for localhost.
fn known(layout: &Layout, name: &str) -> Vec<String> {
    let text = fs::read_to_string(path(layout, name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("localhost"));
    let mut known: Vec<_> = lines.map(|line| line.trim_end().replace('\t', " ")).collect();
    known.sort();
    known
}

#[test]
fn who_shares_a_bridge_knows_each_other() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let gate = container("gate", &[("br0", &["10.0.0.1/24"]), ("br1", &["10.0.1.1/24", "fd00::1/64"])], "");
    let web = container("web", &[("br0", &["10.0.0.2/24"])], "10.9.9.9\tdb\n");
    let db = container("db", &[("br1", &["10.0.1.3/24"])], "");
    for plan in [&gate, &web, &db] {
        start(&layout, plan);
    }
    assert_eq!(known(&layout, "web"), ["10.0.0.1 gate", "10.0.0.2 web", "10.9.9.9 db"]);
    assert_eq!(known(&layout, "db"), ["10.0.1.1 gate", "10.0.1.3 db", "fd00::1 gate"]);
    assert_eq!(known(&layout, "gate").len(), 5);
    leave(&layout, "gate").unwrap();
    leave(&layout, "gate").unwrap();
    assert_eq!(known(&layout, "web"), ["10.0.0.2 web", "10.9.9.9 db"]);
    start(&layout, &gate);
    assert_eq!(known(&layout, "db"), ["10.0.1.1 gate", "10.0.1.3 db", "fd00::1 gate"]);
    // Whose own line says something else of a name hears nothing of who has it.
    start(&layout, &container("db", &[("br0", &["10.0.0.3/24"])], ""));
    assert_eq!(known(&layout, "web"), ["10.0.0.1 gate", "10.0.0.2 web", "10.9.9.9 db"]);
    assert!(known(&layout, "gate").contains(&"10.0.0.3 db".to_owned()));
}

#[test]
fn what_a_killed_update_left_is_made_good_by_the_next() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let [a, b] = ["a", "b"].map(|name| container(name, &[("br0", &["10.0.0.1/24"])], ""));
    start(&layout, &a);
    start(&layout, &b);
    let text = fs::read_to_string(path(&layout, "a")).unwrap();
    fs::write(path(&layout, "a"), text.replace("10.0.0.1\tb", "10.0.0.1\tx")).unwrap();
    fs::write(layout.names().join(WRITING), "").unwrap();
    leave(&layout, "nobody").unwrap();
    assert_eq!(fs::read_to_string(path(&layout, "a")).unwrap(), text);
    assert!(!layout.names().join(WRITING).exists());
}

#[test]
fn many_at_once_all_know_all() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let plans: Vec<_> =
        (1..101).map(|n| container(&format!("c{n}"), &[("br0", &[&format!("10.0.0.{n}/24")])], "")).collect();
    std::thread::scope(|scope| {
        for plans in plans.chunks(25) {
            let layout = &layout;
            scope.spawn(move || plans.iter().for_each(|plan| start(layout, plan)));
        }
    });
    let all = known(&layout, "c1");
    assert_eq!(all.len(), 100);
    assert!(plans.iter().all(|plan| known(&layout, &plan.name) == all));
}
