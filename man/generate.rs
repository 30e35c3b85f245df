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
    let page = include_str!("soute.8.in").replace(".\\\" @COMMANDS@\n", &Commands::default().of(&cli).text);
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
#[derive(Default)]
struct Commands {
    text: String,
    /// Flags below a heading that have been told, and of which verb: `run` and `create` share most of theirs.
    told: Vec<(String, String)>,
}

impl Commands {
    fn of(mut self, command: &Command) -> Self {
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            if verb.has_subcommands() {
                self = self.of(verb);
                continue;
            }
            let name = verb.get_bin_name().unwrap_or(verb.get_name());
            let about = verb.get_long_about().or(verb.get_about()).unwrap_or_default().to_string();
            self.text += &format!(".Ss {name}\n{}.Pp\n{}", usage(verb), prose(&about));
            let aliases: Vec<&str> = verb.get_visible_aliases().collect();
            if !aliases.is_empty() {
                self.text += &format!("Also called\n.Ic {} .\n", aliases.join(" , "));
            }
            self.arguments(verb, name);
        }
        self
    }

    /// The arguments of one verb, below their headings. What every verb has is told once.
    fn arguments(&mut self, verb: &Command, name: &str) {
        let own = |arg: &&Arg| !arg.is_hide_set() && !["root", "help", "version"].contains(&arg.get_id().as_str());
        let mut args: Vec<_> = verb.get_arguments().filter(own).collect();
        // What has no heading is first, and positional arguments are before flags, as in --help.
        args.sort_by_key(|arg| (arg.get_help_heading().is_some(), !arg.is_positional()));
        for args in args.chunk_by(|one, next| one.get_help_heading() == next.get_help_heading()) {
            let list: String = args.iter().map(|arg| argument(arg)).collect();
            let Some(heading) = args[0].get_help_heading() else {
                self.text += &format!(".Bl -tag -width Ds\n{list}.El\n");
                continue;
            };
            match self.told.iter().find(|(told, _)| *told == list) {
                Some((_, before)) => self.text += &format!(".Pp\n{heading}: as for\n.Ic {before} .\n"),
                None => {
                    self.text += &format!(".Pp\n{heading}:\n.Bl -tag -width Ds\n{list}.El\n");
                    self.told.push((list, name.to_owned()));
                }
            }
        }
    }
}

/// `Usage: soute stop [OPTIONS] <NAME>...` in mdoc.
fn usage(verb: &Command) -> String {
    let usage = verb.clone().render_usage().to_string().replace('[', "[ ").replace(']', " ] ").replace("...", " ...");
    let words = usage.trim_start_matches("Usage:").split_whitespace().map(|word| match word {
        "[" => "Oo".to_owned(),
        "]" => "Oc".to_owned(),
        "OPTIONS" => "Ar options".to_owned(),
        flag if flag.starts_with('-') => format!("Fl {}", &flag[1..]),
        value if value.starts_with('<') => format!("Ar {}", value.trim_matches(['<', '>'])),
        value if !value.contains(char::is_lowercase) => format!("Ar {value}"),
        literal => literal.to_owned(),
    });
    format!(".Nm {}\n", words.collect::<Vec<_>>().join(" "))
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
