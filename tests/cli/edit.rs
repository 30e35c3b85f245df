use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::site::{Ran, Site};

const WEB: &str = "etc/soute/containers/web.toml";

/// Edits by a script of sed's; both quotes prove that the variable is read as a shell would.
fn edit(site: &Site, arguments: &[&str], script: &str) -> Ran {
    site.run_with(
        &[&["edit"], arguments].concat(),
        &[("EDITOR", "false"), ("SOUTE_EDITOR", &format!("sed -i -e '{script}'"))],
    )
}

#[test]
fn a_good_text_takes_the_place_of_the_old_one() {
    let site = Site::with_image();
    site.define("web", "image = \"busybox\"\n");
    std::fs::set_permissions(site.path(WEB), std::fs::Permissions::from_mode(0o600)).unwrap();
    edit(&site, &["web"], "a umask = \"0027\"").succeeds().prints("").says(&format!("ROOT/{WEB} is saved\n"));
    assert_eq!(site.read(WEB), "image = \"busybox\"\numask = \"0027\"\n");
    assert_eq!(site.path(WEB).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(site.list("etc/soute/containers"), ["web.toml"]);
}

#[test]
fn a_bad_text_is_shown_and_never_in_place() {
    let site = Site::with_image();
    site.define("web", "image = \"busybox\"\n");
    edit(&site, &["web"], "a umsk = \"0027\"")
        .exits(5)
        .mentions(&format!(" --> ROOT/{WEB}:2:1"))
        .mentions("did you mean")
        .mentions("soute: cannot edit web: it has faults, and is left as it was\n");
    edit(&site, &["web"], "a requires = \"db\"").exits(5).mentions("there is no container db");
    assert_eq!(site.read(WEB), "image = \"busybox\"\n");
    assert_eq!(site.list("etc/soute/containers"), ["web.toml"]);
}

#[test]
fn nothing_changed_or_an_editor_that_fails() {
    let site = Site::with_image();
    site.define("web", "image = \"busybox\"\n");
    edit(&site, &["web"], "").succeeds().says(&format!("ROOT/{WEB} is unchanged\n"));
    site.run_with(&["edit", "web"], &[("VISUAL", "false")]).exits(1).mentions("soute: cannot edit web: false failed");
    edit(&site, &["nobody"], "").exits(4).says("soute: no container is called nobody\n");
    assert_eq!(site.list("etc/soute/containers"), ["web.toml"]);
}

#[test]
fn what_somebody_else_wrote_meanwhile_is_not_lost() {
    let site = Site::with_image();
    site.define("web", "image = \"busybox\"\n");
    let both = format!("sh -c 'echo \"umask = 0\" >>{}; echo \"umask = \\\"0027\\\"\" >>\"$0\"'", site.text(WEB));
    let ran = site.run_with(&["edit", "web"], &[("EDITOR", &both)]).exits(6).mentions("somebody else has changed it");
    assert_eq!(site.read(WEB), "image = \"busybox\"\numask = 0\n");
    let kept = ran.stderr.trim().rsplit("ROOT/").next().unwrap();
    assert_eq!(site.read(kept), "image = \"busybox\"\numask = \"0027\"\n");
}

#[test]
fn a_packages_definition_is_added_to() {
    let site = Site::with_image();
    site.write("usr/lib/soute/containers/web.toml", "image = \"busybox\"\n");
    edit(&site, &["web"], "").exits(1).says(
        "soute: cannot edit web: ROOT/usr/lib/soute/containers/web.toml belongs to a package (--drop-in adds to it)\n",
    );
    edit(&site, &["web", "--drop-in"], "").succeeds();
    assert!(!site.exists("etc/soute/containers/web.toml.d"), "nothing was written, nothing is there");
    edit(&site, &["web", "--drop-in"], "a umask = \"0027\"").succeeds();
    let drop_in = site.read("etc/soute/containers/web.toml.d/override.toml");
    assert!(drop_in.ends_with("\numask = \"0027\"\n"), "{drop_in}");
    let shown = site.run(&["show", "web", "--json"]).succeeds().json();
    assert_eq!(shown["definition"]["umask"], "0027");
}

/// The same on a terminal, with what is typed there.
fn edit_on_a_terminal(site: &Site, editor: &str, typed: &str) -> String {
    let soute = format!("{} --root {} edit web", env!("CARGO_BIN_EXE_soute"), site.text(""));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &soute, "/dev/null"]).env("SOUTE_EDITOR", editor);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn on_a_terminal_the_user_is_asked() {
    let site = Site::with_image();
    site.define("web", "image = \"busybox\"\n");
    // The second time it corrects what it has spoilt the first time.
    let corrects = r#"sh -c 'grep -q umsk "$0" && sed -i s/umsk/umask/ "$0" || echo "umsk = \"0027\"" >>"$0"'"#;
    let said = edit_on_a_terminal(&site, corrects, "what?\ne\n");
    assert_eq!(said.matches("1 fault: (e)dit again, (s)ave all the same, (d)iscard? ").count(), 2, "{said}");
    assert!(site.read(WEB).contains("\numask = \"0027\"\n"), "{said}\n{}", site.read(WEB));
    site.define("web", "image = \"busybox\"\n");
    let said = edit_on_a_terminal(&site, "sed -i -e 'a umsk = 1'", "s\n");
    assert!(said.contains("web.toml is saved, with its faults\r\n"), "{said}");
    assert_eq!(site.read(WEB), "image = \"busybox\"\numsk = 1\n");
    let said = edit_on_a_terminal(&site, "sed -i -e 'a more = 1'", "d\n");
    assert!(said.contains("cannot edit web: it has faults, and is left as it was"), "{said}");
    assert_eq!(site.read(WEB), "image = \"busybox\"\numsk = 1\n");
    assert_eq!(site.list("etc/soute/containers"), ["web.toml"]);
}
