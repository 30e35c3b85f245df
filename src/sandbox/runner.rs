//! The commands of soute-runner. Nobody types them: they are the Exec lines of container units.

use std::process::ExitCode;

use super::{clean, start, stop};
use crate::error::{Error, Exit, Result};
use crate::settings::Host;
use crate::{dhcp, health, logs, publish};

/// `soute-runner [--root DIR] COMMAND NAME`.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if dhcp::say(&arguments) {
        return ExitCode::SUCCESS;
    }
    let starts = arguments.iter().rev().nth(1).is_some_and(|command| command == "start");
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is that of `soute run`, which hears of it by STATUS=, the user would read it twice.
            if !starts || std::env::var_os("JOURNAL_STREAM").is_some() {
                eprintln!("soute-runner: {error}");
            }
            ExitCode::from(error.exit() as u8)
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (root, words) = match words[..] {
        ["--root", root, ref rest @ ..] => (root, rest),
        ref rest => ("/", rest),
    };
    let host = Host::load(root)?;
    let layout = host.layout;
    match *words {
        ["start", name] => start::start(&layout, name, host.probe_addresses),
        ["stop", name] => stop::stop(&layout, name),
        ["reload", name] => stop::reload(&layout, name),
        ["clean", name] => clean::after_end(&layout, name),
        ["log", name] => logs::main(name, &layout),
        ["publish", instance] => publish::main(instance, &layout),
        ["activate", instance] => publish::activate::start(instance, &layout),
        ["idle", instance] => publish::activate::stop(instance, &layout),
        ["health", name] => health::main(name, &layout),
        ["probe", name] => health::ask(name, &layout),
        ["renew", name] => dhcp::renew(name, &layout),
        _ => {
            let words = "start|stop|reload|clean|log|publish|activate|idle|health|probe|renew NAME";
            Err(Error::new(Exit::Usage, format!("soute-runner is started by systemd: {words}")))
        }
    }
}
