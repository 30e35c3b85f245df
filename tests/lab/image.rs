//! Root trees made once from Debian's packages by `tests/lab/image`, and kept below target/.

use super::{Ran, source};
use std::path::PathBuf;
use std::process::Command;

/// The directory of the tree `name`: busybox, nginx, haproxy, debian; or a release for [`super::Lab::boot`].
pub fn tree(name: &str) -> PathBuf {
    let printed = Ran::of(name, Command::new(source().join("tests/lab/image")).arg(name)).ok();
    PathBuf::from(printed.trim())
}

/// The directory of all trees, /images in a lab.
pub fn store() -> PathBuf {
    let dir = source().join("target/lab/images");
    std::fs::create_dir_all(&dir).expect("target/lab/images");
    dir
}

/// The path of the tree `name` inside a lab.
pub fn in_lab(name: &str) -> String {
    tree(name);
    format!("/images/{name}")
}
