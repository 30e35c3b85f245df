//! The commands of soute-runner. Nobody types them: they are the Exec lines of container units.

use std::process::ExitCode;

use super::{clean, start, stop};
use crate::error::{Error, Exit, Result};
use crate::logs;
use crate::settings::Host;

/// `soute-runner [--root DIR] COMMAND NAME`.
pub fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soute-runner: {error}");
            ExitCode::from(error.exit() as u8)
        }
    }
}

fn run(arguments: Vec<String>) -> Result<()> {
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (root, words) = match words[..] {
        ["--root", root, ref rest @ ..] => (root, rest),
        ref rest => ("/", rest),
    };
    let layout = Host::load(root)?.layout;
    match *words {
        ["start", name] => start::start(&layout, name),
        ["stop", name] => stop::stop(&layout, name),
        ["reload", name] => stop::reload(&layout, name),
        ["clean", name] => clean::after_end(&layout, name),
        ["log", name] => logs::main(name, &layout),
        _ => Err(Error::new(Exit::Usage, "soute-runner is started by systemd: start|stop|reload|clean|log NAME")),
    }
}
