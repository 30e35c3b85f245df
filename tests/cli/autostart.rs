use crate::site::Site;

const DROP_IN: &str = "etc/soute/containers/web.toml.d/50-autostart.toml";

#[test]
fn the_definition_in_etc_is_changed_and_its_comments_stay() {
    let site = Site::new();
    let text = "# my web\nimage = \"x\" # small\n\n# not too much\n[limits]\nmemory = \"1G\"\n";
    site.define("web", text);
    site.run(&["enable", "web"]).succeeds().prints("").says("changed ROOT/etc/soute/containers/web.toml\n");
    let enabled = "# my web\nimage = \"x\" # small\nautostart = true\n\n# not too much\n[limits]\nmemory = \"1G\"\n";
    assert_eq!(site.read("etc/soute/containers/web.toml"), enabled);
    site.run(&["enable", "web"]).succeeds().says("");
    site.run(&["disable", "web"]).succeeds().says("changed ROOT/etc/soute/containers/web.toml\n");
    assert_eq!(site.read("etc/soute/containers/web.toml"), enabled.replace("true", "false"));
    site.run(&["disable", "web"]).succeeds().says("");
    assert_eq!(site.list("etc/soute/containers"), ["web.toml"]);
}

#[test]
fn a_value_that_is_there_keeps_its_comment() {
    let site = Site::new();
    site.define("web", "autostart   =  false   # not yet\nimage = 'x'\n");
    site.run(&["enable", "web"]).succeeds();
    assert_eq!(site.read("etc/soute/containers/web.toml"), "autostart   =  true   # not yet\nimage = 'x'\n");
}

#[test]
fn a_packages_definition_gets_a_drop_in_that_goes_again() {
    let site = Site::new();
    site.write("usr/lib/soute/containers/web.toml", "image = \"x\"\n");
    site.run(&["enable", "web"]).succeeds().says(&format!("changed ROOT/{DROP_IN}\n"));
    assert_eq!(site.read(DROP_IN), "autostart = true\n");
    assert_eq!(site.read("usr/lib/soute/containers/web.toml"), "image = \"x\"\n");
    site.run(&["disable", "web"]).succeeds().says(&format!("removed ROOT/{DROP_IN}\n"));
    assert!(!site.exists("etc/soute/containers/web.toml.d"));
    site.run(&["disable", "web"]).succeeds().says("");
    site.write("usr/lib/soute/containers/web.toml", "image = \"x\"\nautostart = true\n");
    site.run(&["disable", "web"]).succeeds();
    assert_eq!(site.read(DROP_IN), "autostart = false\n");
}

#[test]
fn what_decides_is_what_is_changed() {
    let site = Site::new();
    site.define("web", "image = \"x\"\n");
    site.write("etc/soute/containers/web.toml.d/80-mine.toml", "autostart = false # for now\n");
    site.run(&["enable", "web"]).succeeds();
    assert_eq!(site.read("etc/soute/containers/web.toml.d/80-mine.toml"), "autostart = true # for now\n");
    site.write("usr/lib/soute/containers/web.toml.d/90-theirs.toml", "unset = [\"autostart\"]\n");
    site.run(&["enable", "web"]).succeeds();
    assert_eq!(site.read("etc/soute/containers/web.toml.d/95-autostart.toml"), "autostart = true\n");
    site.write("etc/soute/defaults.toml", "autostart = true\n");
    site.define("db", "image = \"x\"\n");
    site.run(&["disable", "db"]).succeeds().says("changed ROOT/etc/soute/containers/db.toml\n");
}

#[test]
fn disable_undoes_systemctl_enable() {
    let site = Site::new();
    site.define("web", "image = \"x\"\n");
    for target in ["multi-user.target.wants", "other.target.requires"] {
        let directory = site.path("etc/systemd/system").join(target);
        std::fs::create_dir_all(&directory).unwrap();
        for name in ["web", "web2"] {
            let link = directory.join(format!("soute-start@{name}.service"));
            std::os::unix::fs::symlink("/usr/lib/systemd/system/soute-start@.service", link).unwrap();
        }
    }
    site.run(&["disable", "web"]).succeeds().mentions("removed ROOT/etc/systemd/system/multi-user.target.wants/");
    assert_eq!(site.list("etc/systemd/system/multi-user.target.wants"), ["soute-start@web2.service"]);
    assert_eq!(site.list("etc/systemd/system/other.target.requires"), ["soute-start@web2.service"]);
    // A link that outlived its definition is undone too; then there is nothing of that name.
    site.run(&["disable", "web2"]).succeeds();
    site.run(&["disable", "web2"]).exits(4).says("soute: no container is called web2\n");
}

#[test]
fn a_definition_that_cannot_be_read_is_not_touched() {
    let site = Site::new();
    site.define("web", "image = \n");
    site.run(&["enable", "web"]).exits(5).mentions("soute: cannot enable web: its definition has 1 fault\n");
    assert_eq!(site.read("etc/soute/containers/web.toml"), "image = \n");
    site.run(&["enable", "nobody", "web"]).exits(4).mentions("soute: no container is called nobody\n");
}
