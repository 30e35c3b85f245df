//! `soute edit`

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use crate::definition::Faults;
use crate::definition::search::Found;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::output::diagnostics;
use crate::plan::MAIN_PID;
use crate::rewrite::examine;
use crate::rewrite::replace::Replacement;
use crate::settings::Host;

/// Asked one after the other, the first that is set counts.
const VARIABLES: [&str; 3] = ["SOUTE_EDITOR", "VISUAL", "EDITOR"];
/// What Debian calls the editor of this host's choice, and what nearly every host has.
const EDITORS: [&str; 3] = ["editor", "nano", "vi"];
const DROP_IN: &str = "override.toml";

/// Opens a container's definition in an editor, and checks it before it takes the place of the old one.
#[derive(Debug, Args)]
pub struct Edit {
    /// The container.
    name: Name,
    /// Edit a drop-in in /etc instead, for a definition that belongs to a package.
    #[arg(long)]
    drop_in: bool,
}

/// What to do with a text that has faults.
enum Answer {
    Again,
    Save,
    Discard,
}

impl Edit {
    /// The file stays as it is until its new text has no fault, or the user says that it shall have them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let found = definitions::find(host, &self.name)?;
        let target = self.target(host, &found)?;
        self.edit(host, &found, &target).with_context(|| format!("cannot edit {}", self.name))?;
        Ok(ExitCode::SUCCESS)
    }

    fn target(&self, host: &Host, found: &Found) -> Result<PathBuf> {
        if self.drop_in {
            return Ok(host.layout.own_definitions().join(format!("{}.toml.d", self.name)).join(DROP_IN));
        }
        match definitions::is_ours(host, &found.main) {
            true => Ok(found.main.clone()),
            false => Err(Error::failed(format!(
                "cannot edit {}: {} belongs to a package (--drop-in adds to it)",
                self.name,
                found.main.display()
            ))),
        }
    }

    fn edit(&self, host: &Host, found: &Found, target: &Path) -> Result<()> {
        let before = read(target)?;
        let text = before.clone().unwrap_or_else(|| heading(found));
        let draft = Replacement::begin(target, &text)?;
        loop {
            open_editor(draft.path())?;
            let after = draft.text()?;
            if after == text {
                eprintln!("{} is unchanged", target.display());
                return Ok(());
            }
            let faults = examine::examine(host, found, &[(target, draft.path())])?;
            if !faults.0.is_empty() {
                eprintln!("{}", diagnostics::render(&faults.0, io::stderr().is_terminal()));
            }
            let answer = if faults.fatal() { ask(&faults)? } else { Answer::Save };
            match answer {
                Answer::Again => continue,
                Answer::Discard => return Err(Error::new(Exit::Invalid, "it has faults, and is left as it was")),
                Answer::Save => return self.save(host, target, before, draft, &faults),
            }
        }
    }

    fn save(
        &self,
        host: &Host,
        target: &Path,
        before: Option<String>,
        draft: Replacement,
        faults: &Faults,
    ) -> Result<()> {
        if read(target)? != before {
            let kept = draft.keep();
            let message = format!("somebody else has changed it; your text is {}", kept.display());
            return Err(Error::new(Exit::Busy, message));
        }
        draft.commit()?;
        let with = if faults.fatal() { ", with its faults" } else { "" };
        eprintln!("{} is saved{with}", target.display());
        if host.layout.state(&self.name).join(MAIN_PID).exists() {
            eprintln!("{} runs as it was started: soute restart {}", self.name, self.name);
        }
        Ok(())
    }
}

/// The text of a file that may not be there yet.
fn read(path: &Path) -> Result<Option<String>> {
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bytes = definitions::read(path)?;
    String::from_utf8(bytes).map(Some).map_err(|_| Error::failed(format!("{} is not UTF-8", path.display())))
}

/// What a new drop-in begins with.
fn heading(found: &Found) -> String {
    format!("# What is written here counts over {}, see soute.toml(5).\n", found.main.display())
}

/// Runs the editor as git does: what the variable says may have arguments, and quotes.
fn open_editor(path: &Path) -> Result<()> {
    let named = VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).find(|text| !text.trim().is_empty());
    let editor = match named {
        Some(editor) => editor,
        None => installed().ok_or_else(|| Error::failed("no editor is installed: set EDITOR"))?.to_owned(),
    };
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$@\""), &editor])
        .arg(path)
        .status()
        .with_context(|| format!("cannot run {editor}"))?;
    if status.success() { Ok(()) } else { Err(Error::failed(format!("{editor} failed ({status})"))) }
}

fn installed() -> Option<&'static str> {
    let path = std::env::var_os("PATH")?;
    let has = |editor: &&&str| std::env::split_paths(&path).any(|dir| fs::metadata(dir.join(editor)).is_ok());
    EDITORS.iter().find(has).copied()
}

/// On a terminal the user decides; elsewhere nobody can, and nothing broken is put in place.
fn ask(faults: &Faults) -> Result<Answer> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(Answer::Discard);
    }
    let number = faults.errors().count();
    loop {
        eprint!("{number} fault{}: (e)dit again, (s)ave all the same, (d)iscard? ", if number == 1 { "" } else { "s" });
        io::stderr().flush().context("cannot ask")?;
        let mut line = String::new();
        if io::stdin().read_line(&mut line).context("cannot ask")? == 0 {
            return Ok(Answer::Discard);
        }
        match line.trim() {
            "" | "e" | "edit" => return Ok(Answer::Again),
            "s" | "save" => return Ok(Answer::Save),
            "d" | "discard" => return Ok(Answer::Discard),
            _ => {}
        }
    }
}
