//! Tests as scripts, of the words in prelude.sh, on systemd 252 and on 257.

use super::{Lab, Ran, image};
use std::sync::{Mutex, OnceLock, PoisonError};

const PRELUDE: &str = include_str!("prelude.sh");

/// Makes tests of functions that take a lab, one on each version; all of a file share the two labs.
#[allow(unused_macros, reason = "not every test file has scripts")]
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod systemd_252 {
            $(#[test] #[ignore = "rung 2: nested systemd"] fn $name() { super::$name(crate::lab::script::host()) })*
        }
        mod systemd_257 {
            $(#[test] #[ignore = "rung 2: nested systemd 257"] fn $name() { super::$name(crate::lab::script::trixie()) })*
        }
    };
}
pub(crate) use both;

/// [`super::host`] with the image "busybox".
pub fn host() -> &'static Lab {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| import(super::host(), "busybox"));
    super::host()
}

/// [`super::trixie`] with the image "busybox".
pub fn trixie() -> &'static Lab {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| import(super::trixie(), "busybox"));
    super::trixie()
}

/// Brings a tree into the lab's store, unless another test has.
pub fn import(lab: &Lab, name: &str) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = image::in_lab(name);
    lab.ok(&format!("soute image show {name} >/dev/null 2>&1 || soute image import {name} {tree}"));
}

/// Runs a script that has to succeed; a failure names its line.
#[track_caller]
pub fn run(lab: &Lab, script: &str) -> String {
    let ran = lab.script(&format!("prelude_lines={}\n{PRELUDE}{script}", PRELUDE.lines().count() + 1));
    Ran { command: script.to_owned(), ..ran }.ok()
}
