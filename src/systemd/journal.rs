//! The last lines that a failed start has logged.

use std::process::{Command, Stdio};

use crate::definition::types::escaped;

const LINES: &str = "10";

/// What the service itself wrote since `since`, in microseconds since 1970, oldest first; nothing where there is no
/// journal. The unit's name is what journald has from the stream itself; the invocation's id it looks up later, when a
/// process that died at once has taken it along.
pub(super) fn last_lines(unit: &str, since: u64) -> Vec<String> {
    // The lines of a process that has just died may still be in journald's socket.
    let _ = journalctl().arg("--sync").status();
    let mut command = journalctl();
    command.args(["--no-pager", "--output=cat", "--lines", LINES]);
    command.arg(format!("--since=@{}.{:06}", since / 1_000_000, since % 1_000_000));
    command.arg(format!("_SYSTEMD_UNIT={unit}"));
    let Ok(output) = command.output() else { return vec![] };
    String::from_utf8_lossy(&output.stdout).lines().map(escaped).collect()
}

fn journalctl() -> Command {
    let mut command = Command::new("journalctl");
    command.arg("--quiet").stdin(Stdio::null()).stderr(Stdio::null());
    command
}
