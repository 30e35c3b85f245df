//! Rung 3: a virtual machine with Debian 12's kernel and systemd, emulated in software, so that every machine can run it.

use super::{Ran, image, source, stage};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A machine that is off. Its disk is kept from one boot to the next and goes with this value.
pub struct Vm {
    dir: PathBuf,
    image: PathBuf,
}

impl Vm {
    /// A new disk.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = source().join(format!("target/lab/run/vm-{}-{number}", std::process::id()));
        let image = image::tree("vm");
        fs::create_dir_all(dir.join("lab")).expect("target/lab/run");
        must(Command::new("cp").arg("--sparse=always").arg(image.join("disk.ext4")).arg(dir.join("disk")));
        let vm = Self { dir, image };
        must(Command::new("cp").arg("-a").arg(stage::path()).arg(vm.dir.join("lab/stage")));
        vm
    }

    /// Copies a file or a directory tree of this machine to /lab/NAME of the next boots.
    pub fn put(&self, name: &str, source: &Path) {
        must(Command::new("cp").arg("-a").arg("--").arg(source).arg(self.dir.join("lab").join(name)));
    }

    /// Boots, runs the bash script as root once the machine is up, powers off (or, if the script says `reboot -f` or asks
    /// sysrq for it, is off at that moment). Standard output and error of the script come back as one text, with its
    /// exit status; a machine that is off too early gives status -1.
    pub fn boot(&self, script: &str, at_most_seconds: u32) -> Ran {
        let (tools, output) = (self.dir.join("tools"), self.dir.join("output"));
        fs::write(self.dir.join("lab/script"), script).expect("the script");
        fs::write(self.dir.join("lab/seconds"), at_most_seconds.to_string()).expect("the time");
        let _ = (fs::remove_file(&tools), fs::remove_file(&output));
        must(Command::new("mke2fs").args(["-q", "-t", "ext4", "-d"]).arg(self.dir.join("lab")).arg(&tools).arg("1G"));
        // Booting and powering off take 20 s of their own.
        let limit = (at_most_seconds + 120).to_string();
        let qemu = Ran::of("qemu", Command::new("timeout").args(["-s", "KILL", &limit]).args(self.machine()));
        let console = fs::read_to_string(self.dir.join("console")).unwrap_or_default();
        assert!(qemu.status == 0, "{qemu}\n--- console\n{console}");
        let text = String::from_utf8_lossy(&fs::read(&output).unwrap_or_default()).into_owned();
        let (stdout, status) = match text.rsplit_once("\nvm-status ") {
            Some((stdout, status)) => (stdout.to_owned(), status.trim().parse().expect("a number")),
            None => (text, -1),
        };
        Ran { command: script.to_owned(), status, stdout, stderr: console }
    }

    fn machine(&self) -> Vec<String> {
        let drive = |name: &str| format!("file={},format=raw,if=virtio,cache=unsafe", self.dir.join(name).display());
        let serial = |name: &str| format!("file:{}", self.dir.join(name).display());
        let boot = |name: &str| self.image.join(name).display().to_string();
        let text = "qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -display none \
            -no-reboot -nic none -nodefaults";
        let mut argv: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let append = "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=false";
        argv.extend([
            "-kernel".into(),
            boot("vmlinuz"),
            "-initrd".into(),
            boot("initrd"),
            "-append".into(),
            append.into(),
        ]);
        argv.extend(["-drive".into(), drive("disk"), "-drive".into(), drive("tools")]);
        argv.extend(["-serial".into(), serial("console"), "-serial".into(), serial("output")]);
        argv
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn must(command: &mut Command) {
    let name = format!("{command:?}");
    Ran::of(&name, command).ok();
}
