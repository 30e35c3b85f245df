use crate::site::Site;

#[test]
fn the_unit_is_shown_as_it_would_be_and_nothing_is_recorded() {
    let site = Site::with_image();
    site.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    site.define("web", "image = \"busybox\"\ndescription = \"100% web\"\n[limits]\nmemory = \"256M\"\n");
    site.write("etc/systemd/system/soute@.service.d/20-all.conf", "");
    site.write("etc/systemd/system/soute@web.service.d/10-web.conf", "");
    site.write("etc/systemd/system/soute@web2.service.d/10-web.conf", "");
    let text = site.run(&["unit", "web"]).succeeds().says("").stdout;
    assert!(text.starts_with("# soute@web.service, as it would be started\n[Unit]\n"), "{text}");
    for line in
        ["Description=100%% web", "MemoryMax=268435456", "Type=notify", "SourcePath=ROOT/etc/soute/containers/web.toml"]
    {
        assert!(text.lines().any(|own| own == line), "{line} in\n{text}");
    }
    let end = "\n# and ROOT/etc/systemd/system/soute@web.service.d/10-web.conf\
               \n# and ROOT/etc/systemd/system/soute@.service.d/20-all.conf\n";
    assert!(text.ends_with(end), "{text}");
    assert_eq!(site.list("var/lib/soute/disks"), [""; 0]);
    assert!(!site.exists("run/soute/state"));
}

#[test]
fn without_an_image_or_a_sound_definition_there_is_none() {
    let site = Site::new();
    site.define("web", "image = \"nginx\"\ncommand = [\"nginx\"]\n");
    site.run(&["unit", "web"]).exits(4).prints("").says("soute: cannot show the unit of web: no image nginx\n");
    site.define("web", "image = 1\n");
    site.run(&["unit", "web"]).exits(5).prints("").mentions("soute: cannot show the unit of web: its definition has ");
    site.run(&["unit", "db"]).exits(4).mentions("no container is called db\n");
}
