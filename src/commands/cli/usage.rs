//! A command line that is not understood, or that asks for help.

use std::process::ExitCode;

use clap::CommandFactory;

use super::attach::OWN_FAILURE;
use crate::commands::Cli;
use crate::definition::types::escaped;
use crate::error::Exit;

/// Says what is wrong with it, and what the exit status is.
pub fn refuse(refused: &clap::Error) -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if arguments.iter().any(|argument| escaped(argument) != *argument) {
        // clap repeats what was typed, and a terminal would obey it.
        eprint!("{}", refused.to_string().lines().map(|line| escaped(line) + "\n").collect::<String>());
    } else if refused.print().is_err() {
        return ExitCode::from(Exit::Failed as u8);
    }
    match refused.exit_code() {
        0 => ExitCode::SUCCESS,
        // Theirs is the status of the command that they run, and 2 is common.
        _ if matches!(verb(&arguments), Some("run" | "exec" | "shell")) => ExitCode::from(OWN_FAILURE),
        _ => ExitCode::from(Exit::Usage as u8),
    }
}

/// The first word that names a verb.
fn verb(arguments: &[String]) -> Option<&str> {
    let cli = Cli::command();
    arguments.iter().map(String::as_str).find(|word| cli.find_subcommand(word).is_some())
}

#[cfg(test)]
mod tests {
    use super::verb;

    #[test]
    fn the_verb_is_found_behind_options() {
        let verb = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            verb(&words).map(str::to_owned)
        };
        assert_eq!(verb("--root /srv/lab exec run").as_deref(), Some("exec"));
        assert_eq!(verb("list --nonsense").as_deref(), Some("list"));
        assert_eq!(verb("--nonsense"), None);
    }
}
