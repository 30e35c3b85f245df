//! The last test of all, by its name: the suite leaves the machine as it found it.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What `tests/lab/leftovers` sees now.
fn seen() -> HashSet<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/leftovers");
    let output = Command::new(script).output().expect("tests/lab/leftovers");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "compares with before all other tests: make test"]
fn no_mount_link_netns_loop_unit_or_process_is_left() {
    let file =
        std::env::var_os("SOUTE_BEFORE").expect("SOUTE_BEFORE, which `make test` sets, names what was there before");
    let before = std::fs::read_to_string(&file).expect("the file that SOUTE_BEFORE names");
    let before: HashSet<String> = before.lines().map(str::to_owned).collect();
    // A lab is shut down by its keeper when the test process that held it has ended, which takes it a moment.
    let start = Instant::now();
    loop {
        let seen = seen();
        let left: Vec<_> = seen.difference(&before).collect();
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(90), "left behind: {left:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
