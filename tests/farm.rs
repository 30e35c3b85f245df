//! The main job as a user sees it: `make demo` runs to its end, and checks on its way what it shows.

mod lab;

use lab::Ran;
use std::process::Command;

#[test]
#[ignore = "rung 2: nested systemd"]
fn demo_runs_to_its_end() {
    lab::image::tree("nginx");
    lab::image::tree("haproxy");
    let stage = lab::stage::path();
    assert!(stage.join("usr/local/bin/soute").exists());
    let ran = Ran::of("contrib/farm/demo", &mut Command::new(lab::source().join("contrib/farm/demo")));
    assert!(ran.clone().ok().ends_with("The demo ran to its end.\n"), "{ran}");
}
