//! soute as `make install` leaves it, below target/lab/stage.

use super::{Ran, source};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The staged installation: made once a test binary, or given by `make test` in SOUTE_STAGE.
pub fn path() -> PathBuf {
    static STAGE: OnceLock<PathBuf> = OnceLock::new();
    STAGE.get_or_init(|| std::env::var_os("SOUTE_STAGE").map_or_else(make, PathBuf::from)).clone()
}

fn make() -> PathBuf {
    let mut command = Command::new("make");
    // An outer make's job server is not ours.
    command.args(["--no-print-directory", "stage"]).current_dir(source()).env_remove("MAKEFLAGS");
    Ran::of("make stage", &mut command).ok();
    source().join("target/lab/stage")
}
