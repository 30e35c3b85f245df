//! Writing a definition: the new text whole, or the old one.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

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
        let bytes = super::definitions::read(&self.path)?;
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

    /// Leaves the new text where it is, and says where.
    pub fn keep(mut self) -> PathBuf {
        self.committed = true;
        std::mem::take(&mut self.path)
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
