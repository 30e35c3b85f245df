//! Running a command and keeping all that it said.

use std::fmt;
use std::process::{Command, Output};

/// How a command ended. 124 is a command that was killed because its time was up, 128 + N one that a signal killed.
#[derive(Debug, Clone)]
pub struct Ran {
    pub command: String,
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Runs `command`, which the messages call `name`.
    pub fn of(name: &str, command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        Self::new(name, output)
    }

    fn new(name: &str, output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { command: name.to_owned(), status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The standard output of a command that has to succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.status == 0, "{self}");
        self.stdout
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, status, stdout, stderr } = self;
        write!(f, "exit status {status} of: {command}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}
