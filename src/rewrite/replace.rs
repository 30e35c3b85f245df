//! Writing a definition: the new text whole, or the old one.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::error::{Context, Error, Result};

/// A new text beside the file that it will replace. Not committed, it is removed.
pub struct Replacement {
    path: PathBuf,
    target: PathBuf,
    /// A directory that was made for it.
    made: Option<PathBuf>,
    committed: bool,
}

impl Replacement {
    /// Begins with `text`; owner and mode are those of the file that is there, which may be a link. The name begins with a
    /// dot, so that nobody takes it for a definition, and ends in ".toml", so that an editor knows what it is.
    pub fn begin(target: &Path, text: &str) -> Result<Self> {
        let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
        let action = || format!("cannot write {}", target.display());
        let parent = target.parent().unwrap_or(Path::new("/"));
        let made = (!parent.exists()).then(|| parent.to_owned());
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        let stem = target.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        sweep(parent);
        let path = parent.join(format!(".{stem}.{}.toml", std::process::id()));
        let like = target.metadata().ok();
        let mode = like.as_ref().map_or(0o644, |metadata| metadata.permissions().mode() & 0o7777);
        // A leftover of a process that had our number and was killed.
        let _ = fs::remove_file(&path);
        let mut file = File::options().write(true).create_new(true).mode(mode).open(&path).with_context(action)?;
        let replacement = Self { path, target: target.clone(), made, committed: false };
        file.write_all(text.as_bytes()).with_context(action)?;
        if let Some(like) = like {
            chown(&replacement.path, Some(like.uid()), Some(like.gid())).with_context(action)?;
        }
        fs::set_permissions(&replacement.path, fs::Permissions::from_mode(mode)).with_context(action)?;
        Ok(replacement)
    }

    /// Where the new text is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The new text as it is now, which an editor may have put into another file of that name.
    pub fn text(&self) -> Result<String> {
        let bytes = crate::host::definitions::read(&self.path)?;
        String::from_utf8(bytes).map_err(|_| Error::failed(format!("{} is not UTF-8", self.target.display())))
    }

    /// Puts it in place, written through to the disk.
    pub fn commit(mut self) -> Result<()> {
        let commit = || -> std::io::Result<()> {
            File::open(&self.path)?.sync_all()?;
            fs::rename(&self.path, &self.target)?;
            File::open(self.target.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        commit().with_context(|| format!("cannot write {}", self.target.display()))?;
        self.committed = true;
        Ok(())
    }

    /// Leaves the new text under a name that no [`sweep`] takes, and says which.
    pub fn keep(mut self) -> PathBuf {
        let kept = self.path.with_extension("kept.toml");
        self.committed = true;
        match fs::rename(&self.path, &kept) {
            Ok(()) => kept,
            Err(_) => std::mem::take(&mut self.path),
        }
    }
}

/// Removes what writers of definitions have left who were killed, or whose machine went: names as `.web.PID.toml` and
/// `.web.toml.PID`, of processes that are no more. What cannot be removed stays for the next one.
pub fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix('.')) else { continue };
        let writer = name.strip_suffix(".toml").unwrap_or(name).rsplit_once('.').map(|(_, writer)| writer);
        let writer = writer.and_then(|writer| writer.parse().ok()).and_then(Pid::from_raw);
        if writer.is_some_and(|writer| test_kill_process(writer) == Err(Errno::SRCH)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_file(&self.path);
            let _ = self.made.take().map(fs::remove_dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dead_have_left_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (dead, alive) = (i32::MAX, std::process::id());
        let kept = [format!(".web.{alive}.toml"), ".web.toml".into(), ".web.77x.toml".into(), "web.1.toml".into()];
        let kept =
            [&kept[..], &[format!(".web.{dead}.kept.toml"), format!(".web.toml.{alive}"), ".0.toml".into()]].concat();
        for name in kept.iter().chain(&[format!(".web.{dead}.toml"), format!(".web.toml.{dead}")]) {
            fs::write(dir.path().join(name), "").unwrap();
        }
        sweep(dir.path());
        let left: std::collections::BTreeSet<String> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(left, kept.into_iter().collect());
    }
}
