//! A host of one's own in a temporary directory, and one builder for everything that is typed on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A root for `soute --root`, without systemd.
pub struct Site {
    root: tempfile::TempDir,
}

/// What a command said and how it ended; the root's own path is shown as "ROOT".
pub struct Ran {
    line: String,
    status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Site {
    pub fn new() -> Self {
        let site = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir_all(site.path("etc/soute/containers")).unwrap();
        site
    }

    /// One with an image "busybox".
    pub fn with_image() -> Self {
        let site = Self::new();
        site.write("source/bin/busybox", "#!");
        site.run(&["image", "import", "busybox", &site.text("source"), "--command", "sh"]).succeeds();
        site
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub fn text(&self, path: &str) -> String {
        self.path(path).to_str().unwrap().to_owned()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// /etc/soute/containers/NAME.toml.
    pub fn define(&self, name: &str, text: &str) {
        self.write(&format!("etc/soute/containers/{name}.toml"), text);
    }

    /// What is in a directory, sorted.
    pub fn list(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_soute"));
        command.arg("--root").arg(self.root.path()).args(arguments).stdin(Stdio::null());
        for name in ["SOUTE_ROOT", "SOUTE_EDITOR", "VISUAL", "EDITOR"] {
            command.env_remove(name);
        }
        let output = command.envs(environment.iter().copied()).output().unwrap();
        Ran {
            line: arguments.join(" "),
            status: output.status.code(),
            stdout: shown(self.root.path(), &output.stdout),
            stderr: shown(self.root.path(), &output.stderr),
        }
    }
}

fn shown(root: &Path, bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap().replace(root.to_str().unwrap(), "ROOT")
}

impl Ran {
    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        let Self { line, stdout, stderr, .. } = &self;
        assert_eq!(self.status, Some(status), "soute {line}\n--- stdout\n{stdout}--- stderr\n{stderr}---");
        self
    }

    /// All of standard output.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "stdout of soute {}\n--- stderr\n{}", self.line, self.stderr);
        self
    }

    /// All of standard error.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert_eq!(self.stderr, text, "stderr of soute {}", self.line);
        self
    }

    /// A part of standard error.
    #[track_caller]
    pub fn mentions(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} in stderr of soute {}:\n{}", self.line, self.stderr);
        self
    }

    /// Standard output as JSON of the version that scripts know.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let json: serde_json::Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout));
        assert_eq!(json["version"], 1);
        json
    }
}
