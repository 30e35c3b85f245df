//! `soute up`

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::cli::targets::{self, Target};
use super::each;
use super::launch::Launch;
use crate::definition::search;
use crate::definition::types::{Name, escaped};
use crate::error::{Context, Error, Exit, Result};
use crate::settings::Host;
use crate::systemd::Manager;

/// Starts groups, containers, or all definitions of a directory.
#[derive(Debug, Args)]
pub struct Up {
    /// Groups, containers, or directories of definitions, which are linked into /etc/soute/containers.
    #[arg(required = true, value_name = "GROUP|NAME|DIR")]
    targets: Vec<Target>,
    /// With the drop-ins DIR/NAME.WORD.toml of a directory.
    #[arg(long, value_name = "WORD")]
    with: Option<Name>,
}

impl Up {
    /// A directory is meant from where we are.
    pub fn is_relative(&self) -> bool {
        self.targets.iter().any(|target| matches!(target, Target::Directory(directory) if directory.is_relative()))
    }

    /// Each after those that it waits for. A start that fails does not keep the others from being tried.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let directories = self.targets.iter().filter_map(|target| match target {
            Target::Directory(directory) => Some(directory),
            Target::Name(_) => None,
        });
        for directory in directories {
            link(host, &targets::canonical(directory)?, self.with.as_ref())?;
            for name in targets::forsaken(host, directory)? {
                let directory = escaped(&directory.to_string_lossy());
                eprintln!(
                    "soute: {name} has no definition in {directory} any more: `soute down {directory}` stops it, ignoring"
                );
            }
        }
        let names = targets::in_order(host, targets::resolve(host, &self.targets)?)?;
        let manager = Manager::connect()?;
        let launch = Launch::new(host, &manager)?;
        each(&names, |name| launch.start(name))
    }
}

/// Makes every definition of a directory one of the host's, as `systemctl link` does with units: the file stays where it is.
fn link(host: &Host, directory: &Path, with: Option<&Name>) -> Result<()> {
    let names = definitions_of(directory)?;
    if names.is_empty() {
        return Err(Error::new(Exit::NotFound, format!("{} has no definition, NAME.toml", directory.display())));
    }
    for name in &names {
        let own = host.layout.own_definitions();
        let (path, target) = (own.join(format!("{name}.toml")), directory.join(format!("{name}.toml")));
        let known = search::find(&host.layout, name)?.map(|found| found.main);
        if let Some(other) = known.filter(|known| !known.canonicalize().is_ok_and(|known| known == target)) {
            return Err(Error::failed(format!("{name} is defined by {} already", escaped(&other.to_string_lossy()))));
        }
        put(&path, Some(&target))?;
        let drop_ins = own.join(format!("{name}.toml.d"));
        let chosen =
            with.map(|with| (with, directory.join(format!("{name}.{with}.toml")))).filter(|(_, path)| path.exists());
        for stale in links_into(&drop_ins, directory)? {
            if chosen.as_ref().is_none_or(|(with, _)| stale != drop_ins.join(drop_in(with))) {
                put(&stale, None)?;
            }
        }
        if let Some((with, target)) = chosen {
            put(&drop_ins.join(drop_in(with)), Some(&target))?;
        }
    }
    Ok(())
}

fn drop_in(with: &Name) -> String {
    format!("50-{with}.toml")
}

/// NAME.toml; NAME.WORD.toml is a drop-in.
fn definitions_of(directory: &Path) -> Result<BTreeSet<Name>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml")?.parse().ok());
    Ok(names.collect())
}

/// Links of ours in a directory of drop-ins that lead into `directory`.
fn links_into(drop_ins: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(drop_ins) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", drop_ins.display())),
    };
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| fs::read_link(path).is_ok_and(|target| target.parent() == Some(directory))).collect())
}

/// Makes a link, or takes it away, and says so; what is as it should be is left alone.
fn put(path: &Path, target: Option<&Path>) -> Result<()> {
    match target {
        Some(target) if fs::read_link(path).is_ok_and(|now| now == target) => Ok(()),
        Some(target) => {
            let make = || {
                fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
                symlink(target, path)
            };
            make().with_context(|| format!("cannot create {}", path.display()))?;
            eprintln!("created {} → {}", path.display(), target.display());
            Ok(())
        }
        None => {
            fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
            let _ = path.parent().map(fs::remove_dir);
            eprintln!("removed {}", path.display());
            Ok(())
        }
    }
}
