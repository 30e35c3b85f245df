use crate::site::Site;

/// A container with all that one can leave behind.
fn leave_everything(site: &Site, name: &str) {
    site.define(name, "image = \"busybox\"\n");
    site.write(&format!("etc/soute/containers/{name}.toml.d/10-more.toml"), "autostart = true\n");
    site.write(&format!("run/soute/containers/{name}.toml.d/10-more.toml"), "autostart = false\n");
    site.write(&format!("var/lib/soute/disks/{name}/disk.toml"), "image = \"busybox\"\n");
    site.write(&format!("var/lib/soute/disks/{name}/root/file"), "data");
    site.write(&format!("var/lib/soute/volumes/{name}/file"), "data");
    site.write(&format!("run/soute/state/{name}/plan.json"), "{}");
    let wants = site.path("etc/systemd/system/multi-user.target.wants");
    std::fs::create_dir_all(&wants).unwrap();
    std::os::unix::fs::symlink("/x", wants.join(format!("soute-start@{name}.service"))).unwrap();
}

#[test]
fn all_of_it_goes_and_volumes_stay() {
    let site = Site::new();
    leave_everything(&site, "web");
    leave_everything(&site, "web2");
    site.run(&["remove", "web"]).succeeds().prints("");
    assert_eq!(site.list("etc/soute/containers"), ["web2.toml", "web2.toml.d"]);
    assert_eq!(site.list("run/soute/containers"), ["web2.toml.d"]);
    assert_eq!(site.list("var/lib/soute/disks"), ["web2"]);
    assert_eq!(site.list("run/soute/state"), ["web2"]);
    assert_eq!(site.list("etc/systemd/system/multi-user.target.wants"), ["soute-start@web2.service"]);
    assert_eq!(site.list("var/lib/soute/volumes"), ["web", "web2"]);
    site.run(&["rm", "web"]).exits(4).says("soute: no container is called web\n");
}

#[test]
fn disk_and_definition_can_be_kept() {
    let site = Site::new();
    leave_everything(&site, "web");
    site.run(&["remove", "--keep-definition", "web"]).succeeds();
    assert_eq!(site.list("var/lib/soute/disks"), [""; 0]);
    assert_eq!(site.list("etc/soute/containers"), ["web.toml", "web.toml.d"]);
    assert_eq!(site.list("etc/systemd/system/multi-user.target.wants"), ["soute-start@web.service"]);
    let site = Site::new();
    leave_everything(&site, "web");
    site.run(&["remove", "--keep-disk", "web"]).succeeds();
    assert_eq!(site.list("var/lib/soute/disks"), ["web"]);
    assert_eq!(site.list("etc/soute/containers"), [""; 0]);
    // The orphan by its name.
    site.run(&["remove", "web"]).succeeds();
    assert_eq!(site.list("var/lib/soute/disks"), [""; 0]);
}

#[test]
fn whatever_a_killed_remove_has_left_is_enough_to_finish_it() {
    for left in ["run/soute/containers/web.toml.d/x.toml", "var/lib/soute/disks/web/root/x", "run/soute/state/web/x"] {
        let site = Site::new();
        site.write(left, "");
        site.write("var/lib/soute/disks/.trash-1/x", "");
        site.run(&["remove", "web"]).succeeds();
        assert!(!site.exists(left) && !site.exists("var/lib/soute/disks/.trash-1"), "{left}");
        site.run(&["remove", "web"]).exits(4);
    }
}

#[test]
fn a_packages_definition_is_refused_before_anything_is_done() {
    let site = Site::new();
    leave_everything(&site, "web");
    site.write("usr/lib/soute/containers/web.toml", "image = \"busybox\"\n");
    site.run(&["remove", "web"])
        .exits(1)
        .mentions("soute: cannot remove web: ROOT/usr/lib/soute/containers/web.toml belongs to a package")
        .mentions("--keep-definition");
    assert_eq!(site.list("var/lib/soute/disks"), ["web"]);
    assert!(site.exists("etc/soute/containers/web.toml"));
    // Masked, it is none; and its mask is no definition to remove.
    site.define("web", "");
    site.run(&["remove", "web"]).succeeds();
    assert_eq!(site.list("var/lib/soute/disks"), [""; 0]);
    assert!(site.exists("etc/soute/containers/web.toml"));
    site.run(&["remove", "web"]).exits(4);
}

#[test]
fn another_command_at_work_is_not_waited_for() {
    let site = Site::new();
    leave_everything(&site, "web");
    std::fs::create_dir_all(site.path("run/soute/lock")).unwrap();
    let lock = std::fs::File::create(site.path("run/soute/lock/web")).unwrap();
    lock.lock().unwrap();
    site.run(&["remove", "web"]).exits(6).says("soute: cannot remove web: web is in use by another command\n");
    assert!(site.exists("etc/soute/containers/web.toml"));
}
