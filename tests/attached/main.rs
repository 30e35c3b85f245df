//! Rung 2: `exec`, `shell` and `run` with their callers' streams, signals and terminals, on systemd 252 and 257.

#[path = "../lab/mod.rs"]
mod lab;

mod exec;
mod run;
mod typing;

use lab::Lab;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Both labs, each with the image "busybox" and the containers "web" and "boots" running.
fn labs() -> [&'static Lab; 2] {
    static READY: OnceLock<()> = OnceLock::new();
    let labs = [lab::host(), lab::trixie()];
    READY.get_or_init(|| labs.into_iter().for_each(prepare));
    labs
}

/// One test at a time, as some look at all that runs.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prepare(lab: &Lab) {
    let busybox = lab::image::in_lab("busybox");
    lab.ok(&format!("soute image import busybox {busybox} --command '[\"sleep\", \"infinity\"]'"));
    lab.define(
        "web",
        "image = 'busybox'\nuser = 'www-data'\ngroups = ['tty']\nenvironment = { LANG = 'C', A = '1' }\n\
         [limits]\nrlimits = { nofile = '500:1000', core = 0 }\n[systemd]\nOOMScoreAdjust = 300\n",
    );
    lab.define(
        "boots",
        "image = 'busybox'\ninit = 'image'\nready = 'exec'\ncommand = ['sh', '-c', 'while :; do sleep 1; done']\n\
         stop = { signal = 'SIGKILL' }\n",
    );
    lab.ok("soute start web boots");
}

/// The exit status of a line of shell, and what it wrote.
#[track_caller]
fn ends(lab: &Lab, line: &str, status: i32, stdout: &str, stderr: &str) {
    let ran = lab.run(line);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (status, stdout, stderr), "{ran}");
}
