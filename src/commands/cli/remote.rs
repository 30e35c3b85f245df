//! `-H HOST`: the same command on another machine.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, stdin, stdout};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::str::FromStr;

use crate::definition::types::escaped;
use crate::error::{Error, Exit};

/// What ssh(1) takes: `HOST`, `USER@HOST`, or `ssh://USER@HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote(String);

impl FromStr for Remote {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // It would be an option of ssh's, and ssh has some that run commands.
        let plain = !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_whitespace);
        match plain && escaped(text) == text {
            true => Ok(Self(text.to_owned())),
            false => Err("expected HOST, USER@HOST or ssh://USER@HOST:PORT"),
        }
    }
}

impl Remote {
    /// Becomes ssh, whose exit status is that of the command there, and 255 where it cannot reach the machine.
    pub fn run(&self) -> Error {
        let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
        // With a terminal at both ends it is as if the command ran here: Ctrl-C, shells, bars, colours. Data is not to go
        // through one.
        let terminal = stdin().is_terminal() && stdout().is_terminal();
        let mut ssh = Command::new("ssh");
        ssh.arg(if terminal { "-t" } else { "-T" }).args(["-o", "LogLevel=ERROR", "--", &self.0]);
        let error = ssh.arg(line(&without_host(&arguments))).exec();
        Error::from(error).within("cannot run ssh")
    }

    /// Why a command is not for another machine.
    pub fn refuse(&self, files: &str) -> Error {
        Error::new(Exit::Usage, format!("with -H {} there are no files of this machine: {files}", self.0))
    }
}

/// All arguments but -H HOST, which are before the verb.
fn without_host(arguments: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match word.as_bytes() {
            b"-H" | b"--host" => drop(rest.next()),
            b"--root" => kept.extend([Some(word), rest.next()].into_iter().flatten().cloned()),
            [b'-', b'H', ..] => {}
            option if option.starts_with(b"--host=") => {}
            [b'-', ..] => kept.push(word.clone()),
            _ => {
                kept.push(word.clone());
                break;
            }
        }
    }
    kept.extend(rest.cloned());
    kept
}

/// One line for the shell over there, in which nothing but the words themselves means anything: ssh only joins them.
fn line(words: &[OsString]) -> OsString {
    let mut line = b"soute".to_vec();
    for word in words {
        line.push(b' ');
        line.extend(quoted(word));
    }
    OsString::from_vec(line)
}

fn quoted(word: &OsStr) -> Vec<u8> {
    let bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=,@+".contains(byte);
    if !word.is_empty() && word.as_bytes().iter().all(bare) {
        return word.as_bytes().to_vec();
    }
    let mut quoted = vec![b'\''];
    for byte in word.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<OsString> {
        list.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_host_goes_and_what_belongs_to_the_verb_stays() {
        for typed in [["-H", "h"].as_slice(), &["-Hh"], &["--host", "h"], &["--host=h"]] {
            let typed = words(&[typed, &["--root", "/r", "exec", "web", "--", "ls", "-H", "x"]].concat());
            assert_eq!(without_host(&typed), words(&["--root", "/r", "exec", "web", "--", "ls", "-H", "x"]));
        }
    }

    #[test]
    fn the_shell_over_there_sees_the_same_words() {
        let typed = ["exec", "web", "--", "sh", "-c", "echo \"$HOME\" it's; `id`\n", "", "a b", "*", "é", "~"];
        let mut script = OsString::from("soute() { printf '%s\\0' \"$@\"; }; ");
        script.push(line(&words(&typed)));
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap().stdout;
        let seen: Vec<_> =
            output.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        assert_eq!(seen[..typed.len()], typed);
    }

    #[test]
    fn a_host_is_no_option() {
        for bad in ["", "-oProxyCommand=id", "a b", "a\nb", "\u{1b}"] {
            assert!(bad.parse::<Remote>().is_err(), "{bad:?}");
        }
        for good in ["h", "root@h.example", "ssh://root@[::1]:22"] {
            assert!(good.parse::<Remote>().is_ok(), "{good:?}");
        }
    }
}
