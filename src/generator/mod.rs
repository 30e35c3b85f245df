//! At boot and at every daemon-reload: which containers to launch, and in what order.
//!
//! systemd waits for this program before it loads units: it reads what it must, within bounds of size and time, starts no
//! thread, and speaks to nobody but the kernel's log. It fails for nothing but a wrong call. A definition that cannot be
//! read is launched all the same, so that its error is seen as a failed unit.

mod keys;
mod order;
mod output;
mod sources;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::definition::types::escaped;
use crate::error::Result;
use crate::layout::Layout;
use order::Launch;

/// Boot waits for us, and systemd kills all generators together after 90 s, with nothing written yet. Far above what reading
/// takes on the slowest machine: launching unread starts containers that nobody wants at boot.
const PATIENCE: Duration = Duration::from_secs(60);

/// soute-generator(8): `soute-generator NORMAL [EARLY LATE]`.
pub fn main() -> ExitCode {
    let root = std::env::var_os("SOUTE_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let mut log = Log::open(&root);
    let Some(output) = std::env::args_os().nth(1) else {
        log.say("usage: soute-generator DIRECTORY [EARLY LATE]");
        return ExitCode::from(2);
    };
    if let Err(error) = generate(&Layout::new(root), Path::new(&output), PATIENCE, &mut |message| log.say(message)) {
        log.say(&error.to_string());
    }
    ExitCode::SUCCESS
}

/// Reads every definition of `layout` and fills `output`, a directory of units. What has not been read when `patience` is
/// over is launched unread.
pub fn generate(layout: &Layout, output: &Path, patience: Duration, log: &mut dyn FnMut(&str)) -> Result<()> {
    let begin = Instant::now();
    let found = sources::search(&layout.definition_dirs(), log);
    if found.is_empty() {
        return Ok(());
    }
    let defaults = sources::defaults(&layout.defaults(), log);
    let mut launches = Vec::new();
    for source in &found {
        let keys = match begin.elapsed() < patience {
            true => source.merge(&defaults),
            false => Err("too much to read before it".to_owned()),
        };
        match keys {
            Ok(Some(keys)) if keys.autostart => launches.push(Launch::new(source, keys)),
            Ok(_) => {}
            Err(why) => {
                log(&format!("launching {} unread: {}", source.name, escaped(&why)));
                launches.push(Launch::unread(source));
            }
        }
    }
    for untangled in order::untangle(&mut launches) {
        log(&untangled);
    }
    output::write(layout.root(), output, &launches)
}

/// The kernel's log: a generator runs before the journal, and its standard error is /dev/null.
struct Log(Box<dyn Write>);

impl Log {
    fn open(root: &Path) -> Self {
        let kmsg = (root == Path::new("/")).then(|| std::fs::File::options().write(true).open("/dev/kmsg"));
        match kmsg {
            Some(Ok(kmsg)) => Self(Box::new(kmsg)),
            _ => Self(Box::new(std::io::stderr())),
        }
    }

    fn say(&mut self, message: &str) {
        // One write is one record of at most 976 bytes; <3> is an error. Nobody is left to be told that it failed.
        let cut = String::from_utf8_lossy(&message.as_bytes()[..message.len().min(900)]);
        let _ = self.0.write_all(format!("<3>soute-generator: {cut}\n").as_bytes());
    }
}
