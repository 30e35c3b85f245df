//! Rung 3: a virtual machine with Debian 12's kernel and systemd, emulated in software, so that every machine can run it.

use super::{Ran, source, stage};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

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
        let ran = Ran::of("tests/lab/vm", &mut self.command(script, at_most_seconds));
        assert!(ran.status == 0, "{ran}\n--- console\n{}", self.text("console"));
        let output = self.text("output");
        let (stdout, status) = match output.rsplit_once("\nvm-status ") {
            Some((stdout, status)) => (stdout.to_owned(), status.trim().parse().expect("a number")),
            None => (output, -1),
        };
        Ran { command: script.to_owned(), status, stdout, stderr: self.text("console") }
    }

    /// The same, with a machine that is killed some time after its script has said `sign`. Of what it then said whole lines
    /// come back.
    pub fn boot_and_kill(&self, script: &str, at_most_seconds: u32, sign: &str, later: Duration) -> Ran {
        let _ = fs::remove_file(self.dir.join("output"));
        // A group of its own, as the machine is a child of timeout(1).
        let mut child = self.command(script, at_most_seconds).process_group(0).spawn().expect("tests/lab/vm");
        while !self.text("output").contains(sign) {
            let ended = child.try_wait().expect("tests/lab/vm");
            let said = || format!("{}--- console\n{}", self.text("output"), self.text("console"));
            assert!(ended.is_none(), "it ended before it was killed: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(later);
        let group = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        killpg(group, Signal::SIGKILL).expect("a machine that runs");
        child.wait().expect("tests/lab/vm");
        let output = self.text("output");
        let whole = output.rfind('\n').map_or(0, |end| end + 1);
        Ran { command: script.to_owned(), status: -1, stdout: output[..whole].to_owned(), stderr: self.text("console") }
    }

    fn command(&self, script: &str, at_most_seconds: u32) -> Command {
        fs::write(self.dir.join("lab/script"), script).expect("the script");
        fs::write(self.dir.join("lab/seconds"), at_most_seconds.to_string()).expect("the time");
        let mut command = Command::new(super::source().join("tests/lab/vm"));
        command.arg(&self.dir);
        command
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join(name)).unwrap_or_default()).into_owned()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
