use std::fs;

use crate::site::Site;

/// A site with the disk of a container, as a start leaves it.
fn site() -> Site {
    let site = Site::with_image();
    site.define("web", "image = \"busybox\"\n");
    site.write(
        "var/lib/soute/disks/web/disk.toml",
        "image = \"busybox\"\ndigest = \"sha256:00\"\nids = 524288\ncopied = \"reflink\"\ncreated = \"2026-01-01T00:00:00Z\"\n",
    );
    site.write("var/lib/soute/disks/web/root/data", &"data".repeat(5000));
    site
}

#[test]
fn disks_are_listed_and_counted() {
    let site = site();
    site.write("var/lib/soute/disks/orphan/disk.toml", "image = \"a\\u001Bb\"\n");
    let json = site.run(&["disk", "list", "--json"]).succeeds().json();
    assert_eq!(json["disks"][0]["orphan"], true);
    assert_eq!(json["disks"][0]["kind"], serde_json::Value::Null);
    let web = &json["disks"][1];
    assert_eq!((&web["name"], &web["kind"], &web["first-id"]), (&"web".into(), &"tree".into(), &524_288.into()));
    let table = site.run(&["disk", "ls"]).succeeds().says("").stdout;
    assert!(table.contains("web     busybox   tree  reflink  2026-01-01T00:00:00Z  524288  -          -\n"), "{table}");
    assert!(table.contains("a\\u{1b}b"), "{table}");
    let json = site.run(&["disk", "du", "web", "--json"]).succeeds().json();
    let (used, exclusive) =
        (json["disks"][0]["used"].as_u64().unwrap(), json["disks"][0]["exclusive"].as_u64().unwrap());
    assert!((20_000..100_000).contains(&used) && (20_000..=used).contains(&exclusive), "{used} {exclusive}");
    fs::hard_link(site.path("var/lib/soute/disks/web/root/data"), site.path("elsewhere")).unwrap();
    let json = site.run(&["disk", "du", "--json"]).succeeds().json();
    assert_eq!(json["disks"][0]["used"], 0, "there is no copy");
    assert_eq!(json["disks"][1]["used"].as_u64(), Some(used));
    assert!(json["disks"][1]["exclusive"].as_u64().unwrap() + 20_000 <= used, "the file has a name elsewhere");
    site.run(&["disk", "du", "db", "web"]).exits(4).says("soute: db has no disk\n");
}

#[test]
fn a_reset_takes_the_copy_and_leaves_the_ids() {
    let site = site();
    site.run(&["disk", "reset", "web", "db"])
        .exits(4)
        .prints("")
        .says("soute: cannot reset the disk of db: db has no disk\n");
    assert_eq!(site.list("var/lib/soute/disks"), ["web"]);
    assert_eq!(site.list("var/lib/soute/disks/web"), ["disk.toml"]);
    assert_eq!(site.read("var/lib/soute/disks/web/disk.toml"), "image = \"busybox\"\nids = 524288\n");
    assert!(!site.exists("run/soute/lock/db"));
}

#[test]
fn a_disk_becomes_an_image() {
    let site = site();
    site.run(&["commit", "web", "busybox"]).exits(1).says("soute: cannot commit web: image busybox exists\n");
    site.run(&["commit", "web", "mine"]).succeeds().prints("").mentions("mine: tree of 20K, sha256:");
    let shown = site.run(&["image", "show", "mine", "--json"]).succeeds().json();
    assert_eq!(shown["origin"], "the disk of web, a copy of busybox");
    assert_eq!(shown["command"], serde_json::json!(["sh"]), "as its image has it");
    site.run(&["image", "verify", "mine"]).succeeds().prints("mine: ok\n");
    site.write("var/lib/soute/disks/web/root/data", "other");
    site.run(&["commit", "web", "mine", "--replace"]).succeeds();
    assert_eq!(site.read("var/lib/soute/images/mine/root/data"), "other");
    site.run(&["disk", "reset", "web"]).succeeds();
    site.run(&["commit", "web", "more"]).exits(4).says("soute: cannot commit web: web has no disk of its own\n");
    site.run(&["commit", "db", "more"]).exits(4).says("soute: cannot commit db: db has no disk\n");
    assert_eq!(site.list("var/lib/soute/images"), ["busybox", "mine"]);
}

#[test]
fn another_command_at_work_is_not_waited_for() {
    let site = site();
    fs::create_dir_all(site.path("run/soute/lock")).unwrap();
    let lock = fs::File::create(site.path("run/soute/lock/web")).unwrap();
    lock.lock().unwrap();
    site.run(&["disk", "reset", "web"]).exits(6).mentions("web is in use by another command");
    site.run(&["commit", "web", "mine"]).exits(6).mentions("web is in use by another command");
    assert!(site.exists("var/lib/soute/disks/web/root/data"));
}
