use serde_json::json;

use crate::site::Site;

#[test]
fn all_faults_of_all_definitions_are_shown_at_once() {
    let site = Site::with_image();
    site.define("web", "image = \"busybox\"\nmemroy = 1\n[limits]\nmemory = \"256MB\"\n");
    site.define("db", "image = \"busybox\"\nrequires = \"cache\"\n");
    site.define("ok", "image = \"busybox\"\n");
    let checked = site.run(&["check"]).exits(5).prints("");
    for part in [
        " --> ROOT/etc/soute/containers/web.toml:2:1",
        " --> ROOT/etc/soute/containers/web.toml:4:10",
        "write \"256M\" for 256 MiB",
        " --> ROOT/etc/soute/containers/db.toml:2:12",
        "there is no container cache",
        "\n3 faults in 2 of 3 definitions\n",
    ] {
        assert!(checked.stderr.contains(part), "{part} in\n{}", checked.stderr);
    }
    site.run(&["check", "ok"]).succeeds().prints("").says("1 definition checked, no faults\n");
    site.run(&["check", "web", "nobody", "ok"]).exits(5).mentions("soute: no container is called nobody\n");
    site.run(&["check", "nobody", "ok"]).exits(4).mentions("1 definition checked, no faults\n");
    site.run(&["check", "nobody"]).exits(4).says("soute: no container is called nobody\n");
    site.run(&["check", "No!"]).exits(2).mentions("bad name");
}

#[test]
fn programs_get_the_faults_of_each() {
    let site = Site::with_image();
    site.define("a", "image = \"busybox\"\nrequires = \"b\"\n");
    site.define("b", "image = \"busybox\"\nafter = [\"a\"]\n");
    site.define("Bad", "image = \"busybox\"\n");
    let json = site.run(&["check", "--json"]).exits(5).says("").json();
    let list = json["definitions"].as_array().unwrap();
    let names: Vec<_> = list.iter().map(|entry| (entry["name"].as_str().unwrap(), entry["valid"].clone())).collect();
    assert_eq!(names, [("Bad", json!(false)), ("a", json!(false)), ("b", json!(false))]);
    let fault = &list[1]["faults"][0];
    assert_eq!(fault["message"], "these wait for each other for ever: a → b → a");
    assert_eq!(fault["at"]["line"], 2);
    // One fault of two containers is one fault.
    site.run(&["check"]).exits(5).mentions("\n2 faults in 3 of 3 definitions\n");
}

#[test]
fn a_file_is_checked_against_its_neighbours_before_it_is_one() {
    let site = Site::with_image();
    let link = "image = \"busybox\"\n[[network]]\nbridge = \"br0\"\naddress = \"10.0.0.1/24\"\n";
    site.define("web", link);
    site.write("new/db.toml", link);
    site.run(&["check", &site.text("new/db.toml")]).exits(5).mentions("web has the address 10.0.0.1 on br0 already");
    site.write("new/web.toml", link);
    site.run(&["check", &site.text("new/web.toml")]).succeeds();
    site.run(&["check", "/no/such.toml"])
        .exits(1)
        .mentions("soute: cannot check /no/such.toml: No such file or directory\n");
}

#[test]
fn an_image_that_is_not_there_is_a_warning() {
    let site = Site::new();
    site.define("web", "image = \"nginx\"\ncommand = [\"nginx\"]\n");
    site.run(&["check"])
        .succeeds()
        .mentions("warning: image nginx is not in the store")
        .mentions("soute image import nginx PATH")
        .mentions("1 definition checked, no faults, 1 warning\n");
    assert!(!site.exists("var"), "a check makes no store");
}

#[test]
fn a_writable_bind_that_others_reach_is_a_warning() {
    let site = Site::with_image();
    site.define("web", "image = \"busybox\"\n[[mount]]\nsource = \"/usr/share\"\ntarget = \"/data\"\n");
    let warning = "other users of the host can run what the container writes to /usr/share";
    site.run(&["check", "web"]).succeeds().mentions(warning).mentions("checked, no faults, 1 warning\n");
    site.define("web", "image = \"busybox\"\n[[mount]]\nsource = \"/root\"\ntarget = \"/data\"\nread-only = true\n");
    site.run(&["check", "web"]).succeeds().says("1 definition checked, no faults\n");
}

#[test]
fn show_has_every_layer_with_its_origins() {
    let site = Site::with_image();
    site.write("etc/soute/defaults.toml", "[limits]\nmemory = \"1G\"\n");
    site.define("web", "image = \"busybox\"\n[limits]\ntasks = 100\n");
    site.write("usr/lib/soute/containers/web.toml.d/10-more.toml", "[limits]\nmemory = \"2G\"\n");
    let text = site.run(&["show", "web"]).succeeds().says("").stdout;
    for line in [
        "command = [\"sh\"]",
        "image = \"busybox\"",
        "# ROOT/etc/soute/containers/web.toml:3",
        "# ROOT/usr/lib/soute/containers/web.toml.d/10-more.toml:2",
        "# image busybox",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let json = site.run(&["show", "web", "--json"]).succeeds().json();
    assert_eq!(json["definition"]["limits"], json!({ "memory": "2G", "tasks": 100 }));
    assert_eq!(json["origins"]["limits.memory"], "ROOT/usr/lib/soute/containers/web.toml.d/10-more.toml:2:10");
    assert_eq!(json["origins"]["command"], "image busybox");
    site.define("web", "imag = 1");
    site.run(&["show", "web"]).exits(5).prints("").mentions("soute: cannot show web: its definition has ");
    site.run(&["show", "nobody"]).exits(4).says("soute: cannot show nobody: no container is called nobody\n");
}

#[test]
fn cat_prints_the_files_as_they_are() {
    let site = Site::new();
    site.write("etc/soute/defaults.toml", "autostart = true\n");
    site.define("web", "broken =");
    site.write("run/soute/containers/web.toml.d/10-more.toml", "# more\n");
    site.run(&["cat", "web"]).succeeds().says("").prints(
        "# ROOT/etc/soute/defaults.toml\nautostart = true\n\n# ROOT/etc/soute/containers/web.toml\nbroken =\n\n\
         # ROOT/run/soute/containers/web.toml.d/10-more.toml\n# more\n",
    );
    site.run(&["cat", "nobody"]).exits(4).says("soute: no container is called nobody\n");
}
