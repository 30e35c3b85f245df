//! Files of definitions that soute itself writes.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::replace::sweep;
use crate::error::{Context, Error, Result};

/// What begins each: editors that know the schema complete and check it. `make install` has put it beside this program.
fn header() -> String {
    let beside = |own: PathBuf| own.parent()?.join("../share/soute/container-1.schema.json").canonicalize().ok();
    let schema = std::env::current_exe().ok().and_then(beside);
    let schema = schema.unwrap_or_else(|| "/usr/share/soute/container-1.schema.json".into());
    format!("#:schema {}\n# See soute.toml(5) for every key.\n\n", schema.display())
}

/// Makes a definition that is not there yet: whole or not at all, and never over another one.
pub fn create(path: &Path, text: &str) -> Result<()> {
    create_as_is(path, &format!("{}{text}", header()))
}

/// The same for a text that somebody has written.
pub fn create_as_is(path: &Path, text: &str) -> Result<()> {
    let action = || format!("cannot create {}", path.display());
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::failed("not a file name")).with_context(action);
    };
    // Without ".toml" at its end nobody takes it for a definition.
    let temporary = directory.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(directory)?;
        sweep(directory);
        let _ = fs::remove_file(&temporary);
        let mut file = File::options().write(true).create_new(true).mode(0o644).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE)?;
        File::open(directory)?.sync_all()
    };
    write().inspect_err(|_| drop(fs::remove_file(&temporary))).with_context(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_written_over() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("containers/web.toml");
        create(&path, "image = \"a\"\n").unwrap();
        assert!(create(&path, "image = \"b\"\n").is_err());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("#:schema ") && text.ends_with("image = \"a\"\n"), "{text}");
        assert_eq!(fs::read_dir(root.path().join("containers")).unwrap().count(), 1);
    }
}
