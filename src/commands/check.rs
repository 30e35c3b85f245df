//! `soute check`

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::report;
use crate::definition::search::{self, Found};
use crate::definition::source::{Layer, Origin, Source};
use crate::definition::types::{Name, Refused};
use crate::definition::{Fault, Severity, Site};
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::output::{diagnostics, json, stdout};
use crate::settings::Host;

/// Checks definitions, each alone and all against each other, and shows every fault where it is written. Warnings do
/// not count as faults.
#[derive(Debug, Args)]
pub struct Check {
    /// Containers, or files: what has a "/" or ends in ".toml". All containers, by default.
    #[arg(value_name = "NAME|FILE")]
    targets: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Files of this machine.
    pub fn has_files(&self) -> bool {
        self.targets.iter().any(|target| is_file(target))
    }
}

/// One definition and what is wrong with it.
struct Checked {
    name: String,
    file: PathBuf,
    faults: Vec<Fault>,
}

#[derive(Serialize)]
struct Document {
    definitions: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    file: PathBuf,
    valid: bool,
    faults: serde_json::Value,
}

impl Check {
    /// Exit status 5 for any fault.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let mut failed = None;
        let checked = match self.targets.is_empty() {
            true => all(host)?,
            false => {
                let tried = self.targets.iter().map(|target| one(host, target).inspect_err(report));
                tried.filter_map(|tried| tried.map_err(|error| *failed.get_or_insert(error.exit())).ok()).collect()
            }
        };
        let invalid = checked.iter().filter(|checked| !checked.is_valid()).count();
        if self.json {
            let definitions = checked.into_iter().map(Checked::entry).collect();
            stdout::write(&json::document(&Document { definitions })?)?;
        } else if !checked.is_empty() || failed.is_none() {
            tell(&checked, invalid);
        }
        let exit = if invalid == 0 { failed } else { Some(Exit::Invalid) };
        Ok(exit.map_or(ExitCode::SUCCESS, |exit| ExitCode::from(exit as u8)))
    }
}

/// How many definitions there are, and which have faults.
pub fn faulty(host: &Host) -> Result<(usize, Vec<String>)> {
    let checked = all(host)?;
    let faulty = checked.iter().filter(|checked| !checked.is_valid()).map(|checked| checked.name.clone()).collect();
    Ok((checked.len(), faulty))
}

fn all(host: &Host) -> Result<Vec<Checked>> {
    let site = Site::survey(&host.layout)?;
    let mut between: BTreeMap<Name, Vec<Fault>> = BTreeMap::new();
    for conflict in site.conflicts() {
        for name in conflict.names {
            between.entry(name).or_default().push(conflict.fault.clone());
        }
    }
    let systemd = definitions::systemd_version(host);
    let mut checked: Vec<Checked> = site.misnamed.iter().map(|(file, refused)| misnamed(file, refused)).collect();
    for found in search::all(&host.layout)?.found {
        let (mut faults, _) = definitions::alone(host, &found, systemd);
        faults.0.extend(between.remove(&found.name).unwrap_or_default());
        let name = found.replica.map_or(found.name, |replica| replica.of).to_string();
        // What is wrong with one replica is usually wrong with all: each fault of a file is told once.
        match checked.iter_mut().find(|checked| checked.name == name && checked.file == found.main) {
            Some(first) => faults.0.into_iter().for_each(|fault| first.add(fault)),
            None => checked.push(Checked { name, file: found.main, faults: faults.0 }),
        }
    }
    Ok(checked)
}

fn one(host: &Host, target: &str) -> Result<Checked> {
    let found = if is_file(target) {
        let path = Path::new(target);
        path.metadata().with_context(|| format!("cannot check {target}"))?;
        Found::file(path)?
    } else {
        definitions::find(host, &target.parse().map_err(|refused: Refused| Error::new(Exit::Usage, refused))?)?
    };
    let faults = definitions::examine(host, &found)?.0;
    Ok(Checked { name: found.name.to_string(), file: found.main, faults })
}

fn misnamed(file: &Path, refused: &Refused) -> Checked {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let source = Source::new(file.to_string_lossy(), "", Layer::Main);
    let fault = Fault::new(format!("this file defines no container: {refused}"), Some(Origin::whole(&source)));
    Checked { name, file: file.to_owned(), faults: vec![fault.help("rename it")] }
}

impl Checked {
    fn add(&mut self, fault: Fault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn is_valid(&self) -> bool {
        !self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }

    fn entry(self) -> Entry {
        let valid = self.is_valid();
        Entry { name: self.name, file: self.file, valid, faults: diagnostics::to_json(&self.faults) }
    }
}

/// A fault between containers is one of each of them, and is shown once.
fn tell(checked: &[Checked], invalid: usize) {
    let mut shown: Vec<Fault> = Vec::new();
    for fault in checked.iter().flat_map(|checked| &checked.faults) {
        if !shown.contains(fault) {
            shown.push(fault.clone());
        }
    }
    if !shown.is_empty() {
        eprintln!("{}", diagnostics::render(&shown, std::io::stderr().is_terminal()));
    }
    let plural = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let errors = shown.iter().filter(|fault| fault.severity == Severity::Error).count();
    let warnings = match shown.len() - errors {
        0 => String::new(),
        number => format!(", {}", plural(number, "warning")),
    };
    let of = plural(checked.len(), "definition");
    match invalid {
        0 => eprintln!("{of} checked, no faults{warnings}"),
        _ => eprintln!("{} in {invalid} of {of}{warnings}", plural(errors, "fault")),
    }
}

/// What has a "/" or ends in ".toml".
fn is_file(target: &str) -> bool {
    target.contains('/') || target.ends_with(".toml")
}
