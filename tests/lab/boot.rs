//! Rung 2: boots `tests/lab/boot`, which holds a nested systemd for as long as our end of its standard input is open.

use super::{Ran, image, source, stage};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// What a command in the lab may take at most, in seconds.
const COMMAND_SECONDS: u32 = 480;

/// A booted lab. It ends when this is dropped, and also when the process that holds it dies.
pub struct Lab {
    dir: PathBuf,
    keeper: Option<Child>,
    words: Mutex<BufReader<ChildStdout>>,
}

/// The lab over this machine's own /usr, shared by the tests of one file.
pub fn host() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| Lab::boot(None, &[]))
}

/// The lab with Debian 13's systemd 257, shared by the tests of one file.
pub fn trixie() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(|| Lab::boot(Some("trixie"), &[]))
}

impl Lab {
    /// Boots over /usr of `release` ("bookworm", "trixie"), or of this machine, with further options of systemd-nspawn.
    /// Images that the test has asked for are seen in /images.
    pub fn boot(release: Option<&str>, options: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = source().join(format!("target/lab/run/{}-{number}", std::process::id()));
        let usr = release.map_or(PathBuf::from("/usr"), |name| image::tree(name).join("usr"));
        let stage = stage::path().join("usr/local");
        let images = image::store();
        let mut keeper = Command::new(source().join("tests/lab/boot"))
            .args([&dir, &usr])
            .arg(format!("--bind-ro={}:/usr/local", stage.display()))
            .arg(format!("--bind-ro={}:/images", images.display()))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/lab/boot");
        let words = Mutex::new(BufReader::new(keeper.stdout.take().expect("piped")));
        let lab = Self { dir, keeper: Some(keeper), words };
        lab.wait_up();
        lab
    }

    #[track_caller]
    fn wait_up(&self) {
        let mut line = String::new();
        self.words.lock().expect("no test panics while it reads").read_line(&mut line).expect("the keeper's words");
        assert!(line.starts_with("up "), "the lab did not come up; its console is above");
    }

    /// The lab's root directory as this process sees it: what a test writes there the lab has, and the other way round.
    /// Mounts of the lab (/run, /tmp, /usr) are not seen here.
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// PID 1 of the lab, in this process's PID namespace.
    pub fn leader(&self) -> u32 {
        let text = std::fs::read_to_string(self.dir.join("leader")).expect("a running lab");
        text.trim().parse().expect("a PID")
    }

    /// Runs a line of shell in the lab, killed after two minutes.
    pub fn run(&self, line: &str) -> Ran {
        Ran::of(line, self.command(["sh", "-c", line]).stdin(Stdio::null()))
    }

    /// The standard output of a line of shell that has to succeed.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        self.run(line).ok()
    }

    /// A bash script, from a file, since systemd-run expands `${…}` in its arguments itself.
    pub fn script(&self, text: &str) -> Ran {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = format!("/root/script-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.write(&path, text);
        Ran::of(text, self.command(["bash", "-euo", "pipefail", &path]).stdin(Stdio::null()))
    }

    /// A command in the lab, for tests that need its pipes or want to signal it. Its environment is the lab's.
    pub fn command<const N: usize>(&self, argv: [&str; N]) -> Command {
        let mut command = Command::new(source().join("tests/lab/enter"));
        command.arg(self.leader().to_string());
        command.args(["timeout", "-k", "5", &COMMAND_SECONDS.to_string()]).args(argv);
        command
    }

    /// Writes a file below the lab's root, with its parents: /etc, /var, /root and what else is no mount of the lab's.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.root().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a directory in the lab");
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Writes /etc/soute/containers/NAME.toml.
    pub fn define(&self, name: &str, definition: &str) {
        self.write(&format!("/etc/soute/containers/{name}.toml"), definition);
    }

    /// Asks again every 50 ms until the line of shell succeeds.
    #[track_caller]
    pub fn wait_for(&self, line: &str, at_most: Duration) -> String {
        let start = Instant::now();
        loop {
            let ran = self.run(line);
            if ran.status == 0 {
                return ran.stdout;
            }
            assert!(start.elapsed() < at_most, "not within {at_most:?}: {ran}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `systemctl reboot`, over the same /etc and /var; returns when the boot is done.
    pub fn reboot(&self) {
        // The connection breaks while systemd goes down, so that the status says nothing.
        self.run("systemctl reboot");
        self.wait_up();
    }

    /// Shuts the lab down in order and says how long that took. More than a minute is a failure.
    pub fn stop(mut self) -> Duration {
        let start = Instant::now();
        let mut keeper = self.keeper.take().expect("taken only here and in drop");
        drop(keeper.stdin.take());
        assert!(keeper.wait().expect("our child").success(), "the lab did not shut down in order");
        start.elapsed()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}
