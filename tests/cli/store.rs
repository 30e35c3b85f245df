//! What can be done with images that are in the store.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::site::Site;

fn digest(site: &Site, name: &str) -> String {
    let shown = site.run(&["image", "show", name, "--json"]).succeeds().json();
    shown["digest"].as_str().unwrap().to_owned()
}

/// The lock of an image's name, as a command at work on it has it.
fn at_work(site: &Site, name: &str) -> fs::File {
    fs::create_dir_all(site.path("run/soute/lock")).unwrap();
    let lock = fs::File::create(site.path(&format!("run/soute/lock/.image-{name}"))).unwrap();
    lock.lock().unwrap();
    lock
}

#[test]
fn a_second_name_shares_the_bytes_and_outlives_the_first() {
    let site = Site::with_image();
    site.run(&["image", "tag", "busybox", "spare"]).succeeds().prints("").says("");
    let file = |name: &str| site.path(&format!("var/lib/soute/images/{name}/root/bin/busybox"));
    let exclusive = || site.run(&["image", "list", "--exclusive", "--json"]).succeeds().json()["images"].clone();
    if fs::metadata(file("busybox")).unwrap().nlink() == 2 {
        // The premise of the numbers: the one file is of both, their directories are not.
        let both = exclusive();
        site.run(&["image", "tag", "busybox", "third"]).succeeds();
        assert_eq!(exclusive()[0]["exclusive"], both[0]["exclusive"]);
        site.run(&["image", "remove", "third"]).succeeds();
    }
    let shown = site.run(&["image", "show", "spare", "--json"]).succeeds().json();
    assert_eq!(shown["command"], serde_json::json!(["sh"]));
    assert_eq!(digest(&site, "spare"), digest(&site, "busybox"));
    site.run(&["image", "tag", "busybox", "spare"]).exits(1).says("soute: image spare exists\n");
    site.run(&["image", "tag", "nginx", "other"]).exits(4).says("soute: no image nginx\n");
    site.run(&["image", "tag", "busybox", "../other"]).exits(2).mentions("bad name");
    site.run(&["image", "remove", "busybox"]).succeeds();
    site.run(&["image", "verify", "spare"]).succeeds().prints("spare: ok\n").says("");
    assert_eq!(site.list("var/lib/soute/images"), ["spare"]);
    assert_eq!(site.list("run/soute/lock"), [".store"], "no lock is left");
}

#[test]
fn a_name_changes_at_once_or_not_at_all() {
    let site = Site::with_image();
    site.run(&["image", "tag", "busybox", "taken"]).succeeds();
    site.run(&["image", "rename", "busybox", "taken"]).exits(1).says("soute: image taken exists\n");
    site.run(&["image", "rename", "nginx", "other"]).exits(4).says("soute: no image nginx\n");
    site.define("web", "image = \"busybox\"\n");
    let refused = "soute: cannot rename image busybox: it is used by web (--force renames it)\n";
    site.run(&["image", "rename", "busybox", "other"]).exits(6).says(refused);
    assert_eq!(site.list("var/lib/soute/images"), ["busybox", "taken"]);
    let before = digest(&site, "busybox");
    site.run(&["image", "rename", "--force", "busybox", "other"]).succeeds().prints("").says("");
    assert_eq!(site.list("var/lib/soute/images"), ["other", "taken"]);
    assert_eq!(digest(&site, "other"), before);
}

#[test]
fn only_what_nothing_names_is_pruned() {
    let site = Site::with_image();
    for name in ["by-definition", "by-disk", "left"] {
        site.run(&["image", "tag", "busybox", name]).succeeds();
    }
    site.define("web", "image = \"by-definition\"\n");
    site.write("var/lib/soute/disks/gone/disk.toml", "image = \"by-disk\"\n");
    site.run(&["image", "prune", "--dry-run"])
        .succeeds()
        .prints("busybox\nleft\n")
        .says("2 images would be removed, 4B\n");
    assert_eq!(site.list("var/lib/soute/images").len(), 4);
    site.define("broken", "image = \n");
    let refused = "soute: nothing is removed: cannot tell which image broken needs: soute check\n";
    site.run(&["image", "prune"]).exits(5).prints("").says(refused);
    fs::remove_file(site.path("etc/soute/containers/broken.toml")).unwrap();
    site.write("run/soute/state/web/plan.json", "{}");
    site.run(&["image", "prune"]).exits(1).mentions("soute: nothing is removed: cannot read ROOT/run/soute/state/web");
    fs::remove_dir_all(site.path("run/soute/state")).unwrap();
    let lock = at_work(&site, "left");
    site.run(&["image", "prune"])
        .succeeds()
        .prints("busybox\n")
        .says("soute: image left is in use by another command\n1 image removed, 2B\n");
    drop(lock);
    let json = site.run(&["image", "prune", "--json"]).succeeds().json();
    assert_eq!(json["images"], serde_json::json!([{ "name": "left", "size": 2 }]));
    assert_eq!(site.list("var/lib/soute/images"), ["by-definition", "by-disk"]);
}

#[test]
fn a_file_that_has_changed_is_found() {
    let site = Site::with_image();
    site.run(&["image", "import", "other", &site.text("source")]).succeeds();
    site.run(&["image", "verify", "busybox", "other"]).succeeds().prints("busybox: ok\nother: ok\n");
    site.write("var/lib/soute/images/busybox/root/bin/busybox", "!#");
    site.run(&["image", "verify", "busybox", "nginx", "other"])
        .exits(7)
        .prints("other: ok\n")
        .mentions("soute: image busybox differs from its record: it is sha256:")
        .mentions("soute: no image nginx\n");
}

#[test]
fn what_is_exported_is_imported_the_same() {
    let site = Site::with_image();
    for file in ["a.tar", "a.tar.gz", "a.tgz", "a.tar.zst", "a.tar.xz", "a.tar.bz2"] {
        let path = site.text(file);
        site.run(&["image", "export", "busybox", &path]).succeeds().prints("").says("");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        site.run(&["image", "import", "--replace", "again", &path]).succeeds();
        assert_eq!(digest(&site, "again"), digest(&site, "busybox"), "{file}");
    }
    let head = |file: &str| fs::read(site.path(file)).unwrap()[..2].to_vec();
    assert_eq!([head("a.tar.gz"), head("a.tar.zst"), head("a.tar")], [b"\x1f\x8b", b"\x28\xb5", b"./"].map(Vec::from));
    // The same bytes from a pipe, and never over what is there.
    assert_eq!(site.run(&["image", "export", "busybox", "-"]).succeeds().stdout, site.read("a.tar"));
    site.write("a.tar", "mine");
    site.run(&["image", "export", "busybox", &site.text("a.tar")])
        .exits(1)
        .says("soute: cannot export busybox to ROOT/a.tar: it exists (--force replaces it)\n");
    assert_eq!(site.read("a.tar"), "mine");
    site.run(&["image", "export", "--force", "busybox", &site.text("a.tar")]).succeeds();
    assert_eq!(head("a.tar"), b"./");
    site.run(&["image", "export", "busybox", &site.text("no/such")]).exits(1).mentions("No such file or directory");
    site.run(&["image", "export", "--format", "raw", "busybox", "-"]).exits(2).mentions("is a tree");
    site.run(&["image", "export", "nginx", &site.text("b")]).exits(4).says("soute: no image nginx\n");
    let hidden = |name: &String| name.starts_with('.');
    assert_eq!(site.list("").into_iter().filter(hidden).count(), 0, "nothing half done is left");
}

#[test]
fn a_full_disk_is_told() {
    let site = Site::with_image();
    let line = format!("{} --root {} image export busybox - >/dev/full", env!("CARGO_BIN_EXE_soute"), site.text(""));
    let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), &*words),
        (Some(1), "soute: cannot export busybox to -: No space left on device\n")
    );
}

#[test]
fn two_commands_on_one_name_one_says_busy() {
    let site = Site::with_image();
    let source = site.text("source");
    let _lock = at_work(&site, "busybox");
    for line in [
        &["image", "import", "busybox", &source, "--replace"][..],
        &["image", "remove", "busybox"],
        &["image", "rename", "busybox", "other"],
        &["image", "tag", "busybox", "busybox"],
    ] {
        site.run(line).exits(6).says("soute: image busybox is in use by another command\n");
    }
    assert_eq!(site.list("var/lib/soute/images"), ["busybox"]);
    let tree = fs::File::open(site.path("var/lib/soute/images/busybox")).unwrap();
    tree.lock().unwrap();
    for line in [["image", "verify", "busybox", "busybox"], ["image", "tag", "busybox", "other"]] {
        site.run(&line).exits(6).mentions("soute: image busybox is being removed\n");
    }
}
