//! Programs that keep passwords: `docker-credential-NAME get`, as docker and podman ask them.

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::base64;
use crate::definition::types::escaped;
use crate::error::{Context, Error, Exit, Result};

/// A token has a few KiB.
const LARGEST: u64 = 64 << 10;
/// What a helper says that knows nothing of the server, with a status that is not 0.
const UNKNOWN: &str = "credentials not found";
/// In the place of a name: the secret is one that only OAuth2 has a use for.
const TOKEN: &str = "<token>";

/// A helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    program: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Helper {
    /// The one with this name in auth.json, which becomes a part of that of a program.
    pub fn named(name: &str) -> Result<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        match !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
            true => Ok(Self { program: format!("docker-credential-{name}") }),
            false => Err(Error::failed(format!("\"{}\" is not the name of a credential helper", escaped(name)))),
        }
    }

    /// Its name.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// What it has for a server, as Basic wants it; none where it has nothing.
    pub fn ask(&self, server: &str, patience: Duration) -> Result<Option<String>> {
        let action = || format!("cannot ask {} for a password", self.program);
        let (status, output) = self.run(server, patience).with_context(action)?;
        if !status.success() {
            let said = String::from_utf8_lossy(&output);
            return match said.contains(UNKNOWN) {
                true => Ok(None),
                false => {
                    Err(Error::failed(format!("it ended with {status}: {}", first_line(&said)))).with_context(action)
                }
            };
        }
        pair(&output).map(Some).with_context(action)
    }

    /// With the caller's environment: helpers find by it what they keep, and a bus to ask.
    fn run(&self, server: &str, patience: Duration) -> Result<(ExitStatus, Vec<u8>)> {
        let mut command = Command::new(&self.program);
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::failed("it is not installed"),
            _ => error.into(),
        })?;
        let output = talk(&mut child, server, patience);
        // One that still runs has said too much or too little, or does not know its end. What it started may keep the pipe
        // open: nobody waits for that.
        if output.is_err() || !ends(&mut child, patience)? {
            let _ = child.kill();
        }
        let status = child.wait()?;
        Ok((status, output?))
    }
}

fn ends(child: &mut Child, patience: Duration) -> Result<bool> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(false)
}

fn talk(child: &mut Child, server: &str, patience: Duration) -> Result<Vec<u8>> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let server = server.to_owned();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // One that does not want to know the server has closed its end.
        let _ = stdin.map(|mut stdin| stdin.write_all(server.as_bytes()));
        let mut output = Vec::new();
        let read = stdout.map(|stdout| stdout.take(LARGEST + 1).read_to_end(&mut output)).transpose();
        let _ = sender.send(read.map(|_| output));
    });
    let output = receiver.recv_timeout(patience);
    let late = || Error::new(Exit::TimedOut, format!("it has not answered within {} s", patience.as_secs()));
    let output = output.map_err(|_| late())??;
    match output.len() as u64 > LARGEST {
        true => Err(Error::failed(format!("it says more than {LARGEST} bytes"))),
        false => Ok(output),
    }
}

/// What is wrong with an answer is said without it: there is a password in it.
fn pair(output: &[u8]) -> Result<String> {
    let answer = serde_json::from_slice::<Answer>(output);
    let Answer { username, secret } = answer.map_err(|_| Error::failed("its answer has no Username and Secret"))?;
    if username == TOKEN {
        return Err(Error::failed("it has an identity token, which soute has no use for, in place of a password"));
    }
    match username.contains(':') {
        true => Err(Error::failed("the name that it has contains a colon")),
        false => Ok(base64::encode(format!("{username}:{secret}").as_bytes())),
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    escaped(&line.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_pairs() {
        let answer = br#"{"ServerURL":"x","Username":"user","Secret":"secret"}"#;
        assert_eq!(pair(answer).unwrap(), "dXNlcjpzZWNyZXQ=");
        let refused = |text: &str| pair(text.as_bytes()).unwrap_err().to_string();
        assert!(refused(r#"{"Username":"<token>","Secret":"s3cret"}"#).contains("identity token"));
        assert!(refused(r#"{"Username":"a:b","Secret":"s3cret"}"#).contains("colon"));
        for text in ["", "{}", "[]", r#"{"Username":"s3cret"}"#, r#"{"Username":"a","Secret":s3cret}"#] {
            let said = refused(text);
            assert!(said.contains("has no Username and Secret") && !said.contains("s3cret"), "{said}");
        }
    }

    fn asked(script: &str, seconds: u64) -> Result<Option<String>, String> {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempfile().unwrap();
        std::fs::write(file.path(), format!("#!/bin/sh\n{script}\n")).unwrap();
        // One that is open for writing cannot be executed.
        let path = file.into_temp_path();
        let helper = Helper { program: path.to_str().unwrap().to_owned() };
        helper.ask("a.b", Duration::from_secs(seconds)).map_err(|error| error.to_string())
    }

    #[test]
    fn helpers_are_programs_that_are_asked_and_that_end() {
        let good = r#"read -r server; [ "$1 $server" = "get a.b" ] && echo '{"Username":"user","Secret":"secret"}'"#;
        assert_eq!(asked(good, 60).unwrap().as_deref(), Some("dXNlcjpzZWNyZXQ="));
        assert_eq!(asked("echo credentials not found in native keychain; exit 1", 60), Ok(None));
        let said = asked("echo 'no \u{1b}[31m bus'; exit 3", 60).unwrap_err();
        assert!(said.contains("it ended with exit status: 3: no") && !said.contains('\u{1b}'), "{said}");
        assert!(asked("exec sleep 1000", 1).unwrap_err().contains("has not answered within 1 s"));
        assert!(asked("sleep 1000 & exit", 1).unwrap_err().contains("has not answered within 1 s"));
        assert!(asked("exec >&-; exec sleep 1000", 1).is_err());
        assert!(asked("exec yes", 60).unwrap_err().contains("more than 65536 bytes"));
        assert!(asked("exec 0<&-; echo nothing", 60).unwrap_err().contains("has no Username"));
        let absent = Helper { program: "/nonexistent/helper".to_owned() }.ask("a.b", Duration::from_secs(1));
        assert!(absent.unwrap_err().to_string().contains("it is not installed"));
    }

    #[test]
    fn names_are_no_paths() {
        assert_eq!(Helper::named("ecr-login").unwrap().program(), "docker-credential-ecr-login");
        for name in ["", "../x", "a/b", "a b", "a\u{1b}", "a\n"] {
            assert!(Helper::named(name).is_err(), "{name:?}");
        }
    }
}
