//! Rung 3: a virtual machine with Debian 12's kernel and systemd, emulated in software, so that every machine can run it.

use super::{Ran, source, stage};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A machine that is off. Its disk is kept from one boot to the next and goes with this value.
pub struct Vm {
    dir: PathBuf,
}

impl Default for Vm {
    fn default() -> Self {
        Self::new()
    }
}

impl Vm {
    /// A new disk, on which the first boot installs soute.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = source().join(format!("target/lab/run/vm-{}-{number}", std::process::id()));
        fs::create_dir_all(dir.join("lab")).expect("target/lab/run");
        let vm = Self { dir };
        vm.put("stage", &stage::path());
        vm
    }

    /// Copies a file or a directory tree of this machine to /lab/NAME of the next boots.
    pub fn put(&self, name: &str, source: &Path) {
        let mut copy = Command::new("cp");
        Ran::of("cp", copy.arg("-a").arg("--").arg(source).arg(self.dir.join("lab").join(name))).ok();
    }

    /// Boots, runs the bash script as root once the machine is up, powers off, or is off at the moment when the script
    /// says `reboot -f` or asks sysrq for it. Standard output and error of the script come back as `stdout`, the console
    /// as `stderr`. Status 124 is a script that ran out of time, -1 a machine that went off under its script.
    pub fn boot(&self, script: &str, at_most_seconds: u32) -> Ran {
        fs::write(self.dir.join("lab/script"), script).expect("the script");
        fs::write(self.dir.join("lab/seconds"), at_most_seconds.to_string()).expect("the time");
        let ran = Ran::of("tests/lab/vm", Command::new(super::source().join("tests/lab/vm")).arg(&self.dir));
        let text =
            |name: &str| String::from_utf8_lossy(&fs::read(self.dir.join(name)).unwrap_or_default()).into_owned();
        assert!(ran.status == 0, "{ran}\n--- console\n{}", text("console"));
        let output = text("output");
        let (stdout, status) = match output.rsplit_once("\nvm-status ") {
            Some((stdout, status)) => (stdout.to_owned(), status.trim().parse().expect("a number")),
            None => (output, -1),
        };
        Ran { command: script.to_owned(), status, stdout, stderr: text("console") }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
