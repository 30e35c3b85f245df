//! The last lines that a failed start has logged.

use std::process::{Command, Stdio};

const LINES: &str = "10";

/// What the service itself wrote since its last start, oldest first; nothing where there is no journal.
pub(super) fn last_lines(unit: &str, invocation: &[u8]) -> Vec<String> {
    // The lines of a process that has just died may still be in journald's socket.
    let _ = journalctl().arg("--sync").status();
    let mut command = journalctl();
    command.args(["--no-pager", "--output=cat", "--lines", LINES]);
    if invocation.is_empty() {
        command.arg(format!("_SYSTEMD_UNIT={unit}")).arg("--since=-1min");
    } else {
        let id: String = invocation.iter().map(|byte| format!("{byte:02x}")).collect();
        command.arg(format!("_SYSTEMD_INVOCATION_ID={id}"));
    }
    let Ok(output) = command.output() else { return vec![] };
    String::from_utf8_lossy(&output.stdout).lines().map(printable).collect()
}

fn journalctl() -> Command {
    let mut command = Command::new("journalctl");
    command.arg("--quiet").stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// A payload's text on its way to somebody's terminal: control characters, which could be escape sequences, are shown
/// as Rust escapes.
pub(super) fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut line, character| {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}c é"), "a\\u{1b}[2Jb\\u{9b}c é");
    }
}
