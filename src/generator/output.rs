//! The links and drop-ins that systemd reads next.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, mkdirat, openat, symlinkat};
use rustix::io::Errno;

use super::order::{Launch, launcher};
use crate::definition::types::escaped;
use crate::error::{Context, Result};

const WANTS: &str = "multi-user.target.wants";
const DROPIN: &str = "50-soute.conf";
const TEMPLATE: &str = "soute-start@.service";
/// Where systemd looks for unit files that packages and administrators put there.
const UNIT_DIRECTORIES: [&str; 4] =
    ["etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system"];

/// Fills `output`: a link for every launch, a drop-in for every one that waits for something.
pub fn write(root: &Path, output: &Path, launches: &[Launch]) -> Result<()> {
    if launches.is_empty() {
        return Ok(());
    }
    let wants = output.join(WANTS);
    fs::create_dir_all(&wants).with_context(|| format!("cannot create {}", wants.display()))?;
    let open = |path: &Path| File::open(path).with_context(|| format!("cannot open {}", path.display()));
    let (output, wants, template) = (open(output)?, open(&wants)?, template(root));
    for launch in launches {
        let unit = launcher(&launch.name);
        unless_there(symlinkat(&template, &wants, &unit)).with_context(|| format!("cannot create {WANTS}/{unit}"))?;
        if !launch.after.is_empty() || !launch.wants.is_empty() {
            let directory = format!("{unit}.d");
            write_dropin(&output, &directory, &dropin(root, launch))
                .with_context(|| format!("cannot write {directory}/{DROPIN}"))?;
        }
    }
    Ok(())
}

fn write_dropin(output: &File, directory: &str, text: &str) -> Result<()> {
    unless_there(mkdirat(output, directory, Mode::from_raw_mode(0o755)))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = openat(output, format!("{directory}/{DROPIN}"), flags, Mode::from_raw_mode(0o644))?;
    Ok(File::from(file).write_all(text.as_bytes())?)
}

fn unless_there(made: rustix::io::Result<()>) -> rustix::io::Result<()> {
    made.or_else(|errno| if errno == Errno::EXIST { Ok(()) } else { Err(errno) })
}

/// The unit file that a link stands for. systemd goes by the link's name; people look where it leads.
fn template(root: &Path) -> PathBuf {
    let paths = UNIT_DIRECTORIES.map(|directory| Path::new(directory).join(TEMPLATE));
    let found = paths.iter().find(|path| root.join(path).symlink_metadata().is_ok()).unwrap_or(&paths[3]);
    Path::new("/").join(found)
}

/// Order and wishes, one a line: a line of systemd's has a longest length.
fn dropin(root: &Path, launch: &Launch) -> String {
    let source = launch.path.strip_prefix(root).unwrap_or(&launch.path).to_string_lossy();
    let mut text = format!("# Made by soute-generator from /{}\n[Unit]\n", escaped(&source));
    launch.after.iter().for_each(|unit| text.push_str(&format!("After={unit}\n")));
    launch.wants.iter().for_each(|unit| text.push_str(&format!("Wants={unit}\n")));
    text
}
