//! Rung 2: the life of containers, on systemd 252 and on 257. Each test is a script, in a lab that all of them share.

#[path = "../lab/mod.rs"]
mod lab;

mod boots;
mod instances;
mod limits;
mod logs;
mod many;
mod network;
mod order;
mod payload;
mod ready;
mod restart;
mod stop;
mod systemctl;

use std::sync::{Mutex, OnceLock, PoisonError};

use lab::Lab;

/// The words that scripts are written in.
const PRELUDE: &str = include_str!("prelude.sh");

/// Makes tests of functions that take a lab: one on each version.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod systemd_252 {
            $(#[test] #[ignore = "rung 2: nested systemd"] fn $name() { super::$name(crate::host()) })*
        }
        mod systemd_257 {
            $(#[test] #[ignore = "rung 2: nested systemd 257"] fn $name() { super::$name(crate::trixie()) })*
        }
    };
}
use both;

fn host() -> &'static Lab {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| prepare(lab::host()));
    lab::host()
}

fn trixie() -> &'static Lab {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| prepare(lab::trixie()));
    lab::trixie()
}

fn prepare(lab: &Lab) {
    lab.ok(&format!("soute image import busybox {}", lab::image::in_lab("busybox")));
}

/// The image "debian", a system with systemd.
fn debian(lab: &Lab) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = lab::image::in_lab("debian");
    lab.ok(&format!("soute image show debian >/dev/null 2>&1 || soute image import debian {tree}"));
}

/// Runs a script that has to succeed.
#[track_caller]
fn run(lab: &Lab, script: &str) -> String {
    let whole = format!("prelude_lines={}\n{PRELUDE}{script}", PRELUDE.lines().count() + 1);
    let ran = lab.script(&whole);
    lab::Ran { command: script.to_owned(), ..ran }.ok()
}
