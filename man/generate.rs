//! Run by make: what the code itself knows of the documentation, in the tree that `make install` copies to /usr/share.
//!
//! `generate DIRECTORY`: soute(8) with its commands from the command line's own definition, completions for three shells,
//! and the JSON Schema of definitions.

use std::fs;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use soute::commands::Cli;
use soute::definition::schema::json_schema;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result {
    let out = std::env::args_os().nth(1).ok_or("usage: generate DIRECTORY")?;
    let out = Path::new(&out);
    let mut cli = Cli::command();
    cli.build();
    let page = include_str!("soute.8.in").replace(".\\\" @COMMANDS@\n", &commands(&cli));
    write(&out.join("man/man8/soute.8"), &page)?;
    write(&out.join("soute/container-1.schema.json"), &format!("{:#}\n", json_schema()))?;
    for (shell, directory) in [
        (Shell::Bash, "bash-completion/completions"),
        (Shell::Zsh, "zsh/site-functions"),
        (Shell::Fish, "fish/vendor_completions.d"),
    ] {
        fs::create_dir_all(out.join(directory))?;
        let file = generate_to(shell, &mut Cli::command(), "soute", out.join(directory))?;
        // bash-completion looks for the command's own name.
        if shell == Shell::Bash {
            fs::rename(&file, file.with_file_name("soute"))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result {
    fs::create_dir_all(path.parent().ok_or("no directory")?)?;
    Ok(fs::write(path, text)?)
}

/// A subsection for each verb, in the order of --help, as mdoc(7). One page for all of them, and in the macros of
/// soute.toml(5), is what clap_mangen does not make.
fn commands(command: &Command) -> String {
    let mut text = String::new();
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        if verb.has_subcommands() {
            text += &commands(verb);
            continue;
        }
        text += &format!(".Ss {}\n{}", verb.get_bin_name().unwrap_or(verb.get_name()), usage(verb));
        text += &format!(".Pp\n{}", prose(&verb.get_long_about().or(verb.get_about()).unwrap_or_default().to_string()));
        if let Some(after) = verb.get_after_long_help().or(verb.get_after_help()) {
            text += &format!(".Pp\n{}", prose(&after.to_string()));
        }
        let aliases: Vec<&str> = verb.get_visible_aliases().collect();
        if !aliases.is_empty() {
            text += &format!("Also called\n.Ic {} .\n", aliases.join(" , "));
        }
        text += &arguments(verb);
    }
    text
}

/// `Usage: soute stop [OPTIONS] <NAME>...` in mdoc.
fn usage(verb: &Command) -> String {
    let usage = verb.clone().render_usage().to_string();
    let mut line = String::from(".Nm");
    for word in usage.trim_start_matches("Usage:").split_whitespace() {
        let (word, more) = word.strip_suffix("...").map_or((word, ""), |word| (word, " ..."));
        let inner = |open, close| word.strip_prefix(open).and_then(|word: &str| word.strip_suffix(close));
        line += &match (inner('[', ']'), inner('<', '>')) {
            (Some("OPTIONS"), _) => " Oo Ar options Oc".to_owned(),
            (Some("--"), _) => " Oo Fl - Oc".to_owned(),
            (Some(optional), _) => format!(" Oo Ar {}{more} Oc", optional.trim_matches(['<', '>'])),
            (_, Some(required)) => format!(" Ar {required}{more}"),
            _ if word == "--" => " Fl -".to_owned(),
            _ => format!(" {word}"),
        };
    }
    line + "\n"
}

/// The arguments of one verb, below their headings. What every verb has is told once.
fn arguments(verb: &Command) -> String {
    let own = |arg: &&Arg| !arg.is_hide_set() && !["root", "help", "version"].contains(&arg.get_id().as_str());
    let mut headings: Vec<Option<&str>> = Vec::new();
    verb.get_arguments().filter(own).map(Arg::get_help_heading).for_each(|heading| {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    });
    // What has none is first, and positional arguments are before flags, as in --help.
    headings.sort_by_key(Option::is_some);
    let mut text = String::new();
    for heading in headings {
        if let Some(heading) = heading {
            text += &format!(".Pp\n{heading}:\n");
        }
        text += ".Bl -tag -width Ds\n";
        let mut args: Vec<_> =
            verb.get_arguments().filter(own).filter(|arg| arg.get_help_heading() == heading).collect();
        args.sort_by_key(|arg| !arg.is_positional());
        args.into_iter().for_each(|arg| text += &argument(arg));
        text += ".El\n";
    }
    text
}

fn argument(arg: &Arg) -> String {
    let takes_value = arg.get_action().takes_values();
    let value = match arg.get_value_names() {
        Some([name]) if takes_value => format!(" Ar {name}"),
        _ => String::new(),
    };
    let mut flags = Vec::new();
    flags.extend(arg.get_short().map(|short| format!("Fl {short}")));
    flags.extend(arg.get_long().map(|long| format!("Fl -{long}")));
    flags.extend(arg.get_visible_aliases().unwrap_or_default().iter().map(|long| format!("Fl -{long}")));
    let mut text = format!(".It {}{value}\n", flags.join(" , "));
    text += &prose(&arg.get_long_help().or(arg.get_help()).unwrap_or_default().to_string());
    if takes_value {
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !defaults.is_empty() {
            text += &format!("Default:\n.Ql {} .\n", defaults.join(" "));
        }
    }
    text
}

/// Sentences of help as text of a page: blank lines part paragraphs, flags keep their hyphens.
fn prose(help: &str) -> String {
    let paragraphs = help.trim().split("\n\n").map(|paragraph| {
        let words = paragraph.split_whitespace().map(|word| {
            let word = word.replace('\\', "\\e");
            if word.trim_start_matches(['(', '"', '\'', '`']).starts_with('-') {
                word.replace('-', "\\-")
            } else {
                word
            }
        });
        let line = words.collect::<Vec<_>>().join(" ");
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        let stop = if line.ends_with(['.', ':', '!', '?']) { "" } else { "." };
        // One sentence a line, as mdoc(7) wants it.
        format!("{guard}{line}{stop}\n").replace(". ", ".\n")
    });
    paragraphs.collect::<Vec<_>>().join(".Pp\n")
}
