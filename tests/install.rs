//! `make install` and `make uninstall` into a DESTDIR, as a package would.

use std::path::Path;
use std::process::Command;

fn make(target: &str, destdir: &Path) {
    let mut make = Command::new("make");
    // The profile that make test has built.
    make.args(["--no-print-directory", target, "PREFIX=/usr", "PROFILE=dev"])
        .arg(format!("DESTDIR={}", destdir.display()));
    let output = make.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("MAKEFLAGS").output().expect("make");
    assert!(output.status.success(), "{output:?}");
}

fn files(destdir: &Path) -> Vec<String> {
    let output = Command::new("find").arg(destdir).args(["-type", "f", "-printf", "%m /%P\n"]).output().expect("find");
    let mut lines: Vec<_> = String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
#[ignore = "needs the build of make test"]
fn install_puts_everything_below_destdir_and_uninstall_takes_it_away() {
    let destdir = tempfile::tempdir().unwrap();
    make("install", destdir.path());
    let installed = files(destdir.path());
    for file in [
        "755 /usr/bin/soute",
        "755 /usr/libexec/soute/soute-runner",
        "755 /usr/libexec/soute/soute-reaper",
        "755 /usr/lib/systemd/system-generators/soute-generator",
        "644 /usr/lib/systemd/system/soute-start@.service",
        "644 /usr/lib/systemd/system/soute-activate@.service",
        "644 /usr/lib/systemd/system/soute.slice",
        "644 /usr/share/man/man5/soute.toml.5",
        "644 /usr/share/man/man7/soute-security.7",
        "644 /usr/share/man/man8/soute.8",
        "644 /usr/share/man/man8/soute-generator.8",
        "644 /usr/share/soute/container-1.schema.json",
        "644 /usr/share/bash-completion/completions/soute",
        "644 /usr/share/zsh/site-functions/_soute",
        "644 /usr/share/fish/vendor_completions.d/soute.fish",
    ] {
        assert!(installed.iter().any(|line| line == file), "{file} in {installed:#?}");
    }
    let launcher = std::fs::read_to_string(destdir.path().join("usr/lib/systemd/system/soute-start@.service")).unwrap();
    assert!(launcher.contains("ExecStart=/usr/bin/soute start"), "{launcher}");
    assert!(!launcher.contains("@BINDIR@"), "{launcher}");
    let page = std::fs::read_to_string(destdir.path().join("usr/share/man/man8/soute.8")).unwrap();
    assert!(page.contains(".Ss soute start\n") && page.contains(".Ss soute image import\n"), "{page}");
    make("uninstall", destdir.path());
    assert_eq!(files(destdir.path()), Vec::<String>::new());
}
