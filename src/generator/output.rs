//! The links and drop-ins that systemd reads next.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::order::{Launch, launcher};
use crate::definition::types::escaped;
use crate::error::{Context, Result};

const TEMPLATE: &str = "soute-start@.service";
/// Where systemd looks for unit files that packages and administrators put there.
const UNIT_DIRECTORIES: [&str; 4] =
    ["etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system"];

/// Fills `output`: a link for every launch, a drop-in for every one that waits for something.
pub fn write(root: &Path, output: &Path, launches: &[Launch]) -> Result<()> {
    if launches.is_empty() {
        return Ok(());
    }
    let wants = output.join("multi-user.target.wants");
    fs::create_dir_all(&wants).with_context(|| format!("cannot create {}", wants.display()))?;
    let template = template(root);
    for launch in launches {
        let unit = launcher(&launch.name);
        let link = wants.join(&unit);
        match symlink(&template, &link) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("cannot create {}", link.display()));
            }
            _ => {}
        }
        if !launch.after.is_empty() || !launch.wants.is_empty() {
            let directory = output.join(format!("{unit}.d"));
            let write = || -> std::io::Result<()> {
                fs::create_dir_all(&directory)?;
                File::create(directory.join("50-soute.conf"))?.write_all(dropin(root, launch).as_bytes())
            };
            write().with_context(|| format!("cannot write {}", directory.display()))?;
        }
    }
    Ok(())
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
