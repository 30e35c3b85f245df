use crate::site::Site;

#[test]
fn a_directory_becomes_an_image_with_what_it_declares() {
    let site = Site::new();
    site.write("source/etc/os-release", "ID=test\n");
    let source = site.text("source");
    let declares = ["--command", r#"["nginx", "-g", "daemon off;"]"#, "--entrypoint", "/init", "--env", "A=b=c"];
    let more = ["--user", "www-data", "--working-directory", "/srv", "--stop-signal", "SIGQUIT"];
    let import = [&["image", "import", "web", &source], &declares[..], &more].concat();
    site.run(&import).succeeds().prints("").mentions("web: tree of 8B, sha256:");
    let shown = site.run(&["image", "show", "web", "--json"]).succeeds().says("").json();
    assert_eq!(shown["command"], serde_json::json!(["nginx", "-g", "daemon off;"]));
    assert_eq!(shown["entrypoint"], serde_json::json!(["/init"]));
    assert_eq!(shown["environment"], serde_json::json!({ "A": "b=c" }));
    let rest = ["user", "working-directory", "stop-signal", "kind"].map(|key| shown[key].as_str().unwrap());
    assert_eq!(rest, ["www-data", "/srv", "SIGQUIT", "tree"]);
    let text = site.run(&["image", "show", "web"]).succeeds().stdout;
    assert!(text.contains("command = [\"nginx\", \"-g\", \"daemon off;\"]"), "{text}");
}

#[test]
fn a_name_is_taken_only_with_replace() {
    let site = Site::with_image();
    let source = site.text("source");
    site.run(&["image", "import", "busybox", &source])
        .exits(1)
        .prints("")
        .says("soute: image busybox exists: remove it, or import with --replace\n");
    site.write("source/more", "more");
    site.run(&["image", "import", "busybox", &source, "--replace"]).succeeds().mentions("busybox: tree of 6B");
    assert_eq!(site.run(&["image", "show", "busybox", "--json"]).json()["size"], 6);
}

#[test]
fn what_is_no_image_leaves_nothing() {
    let site = Site::new();
    site.run(&["image", "import", "x", "/no/such"])
        .exits(1)
        .says("soute: cannot import /no/such: No such file or directory\n");
    site.write("text", "neither a tar nor a file system");
    site.run(&["image", "import", "x", &site.text("text")]).exits(1).mentions("soute: cannot import ROOT/text: ");
    site.run(&["image", "import", "No!", "/"]).exits(2).mentions("bad name \"No!\"");
    site.run(&["image", "import", "x", "/", "--command", "[1]"]).exits(2).mentions("it is no list of strings");
    site.run(&["image", "import", "x", "/", "--env", "A"]).exits(2).mentions("NAME=VALUE");
    site.run(&["image", "import", "x", "/", "--command", "a\u{1b}"]).exits(2).mentions("control character U+001B");
    site.run(&["image", "list", "--json"]).succeeds().prints("{\n  \"version\": 1,\n  \"images\": []\n}\n");
    assert_eq!(site.list("var/lib/soute/images"), [""; 0]);
}

#[test]
fn the_list_says_who_uses_what() {
    let site = Site::with_image();
    site.define("web", "image = \"busybox\"\n");
    site.write("etc/soute/defaults.toml", "image = \"busybox\"\n");
    site.define("db", "autostart = true\n");
    site.define("broken", "image = \n");
    let json = site.run(&["image", "list", "--json"]).succeeds().json();
    assert_eq!(json["images"][0]["name"], "busybox");
    assert_eq!(json["images"][0]["used-by"], serde_json::json!(["db", "web"]));
    let table = site.run(&["image", "ls"]).succeeds().stdout;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "KIND", "SIZE", "EXCLUSIVE", "CREATED", "DIGEST", "VERIFIED", "ORIGIN", "USED-BY"]);
    assert_eq!((lines[1][0], lines[1][1], lines[1][2], lines[1][6]), ("busybox", "tree", "2B", "local"));
    assert_eq!((lines[1][7], lines[1][8]), ("ROOT/source", "db,web"));
    assert_eq!(lines[1][5].len(), 12);
}

#[test]
fn an_unreadable_record_is_told_and_hides_no_other() {
    let site = Site::with_image();
    site.run(&["image", "import", "other", &site.text("source")]).succeeds();
    site.write("var/lib/soute/images/busybox/image.toml", "kind = 1\n");
    let listed = site.run(&["image", "list"]).exits(1).mentions("soute: cannot read image busybox: ");
    assert!(listed.stdout.contains("\nother "), "{}", listed.stdout);
    site.run(&["image", "remove", "busybox"]).succeeds();
}

#[test]
fn an_image_in_use_is_removed_only_by_force() {
    let site = Site::with_image();
    site.define("web", "image = \"busybox\"\n");
    site.run(&["image", "remove", "busybox", "nginx"])
        .exits(6)
        .prints("")
        .says("soute: cannot remove image busybox: it is used by web (--force removes it)\nsoute: no image nginx\n");
    site.run(&["image", "remove", "--force", "busybox"]).succeeds().says("");
    assert_eq!(site.list("var/lib/soute/images"), [""; 0]);
    site.run(&["image", "show", "busybox"]).exits(4).says("soute: no image busybox\n");
}
