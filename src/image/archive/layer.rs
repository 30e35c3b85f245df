//! Layers, flattened while they are unpacked one over the other into one directory (OCI image-spec, layer.md).
//!
//! A whiteout hides what lower layers have, and never what its own layer has, wherever in the archive it stands. So the
//! names that the layer at hand has made are remembered.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::ffi::CStr;
use std::hash::BuildHasher;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::image::archive::Archive;
use crate::image::archive::extract::Extractor;
use crate::image::archive::member::Kind;
use crate::image::archive::path::{c_string, join, open_directory, open_parent, split, through};
use crate::image::tree::access::list;
use crate::image::tree::delete;

/// Names of one layer: 64 MiB of our memory.
const MAX_TOUCHED: usize = 4 << 20;
/// How a name begins that hides others.
pub const PREFIX: &[u8] = b".wh.";
/// AUFS kept its own files under such names; only one of them has a meaning in a layer.
const METADATA: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What the name of a member asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Whiteout<'a> {
    /// This name of this directory goes.
    Hide(&'a [u8], &'a [u8]),
    /// All that this directory has goes.
    Empty(&'a [u8]),
    /// Nothing: it is not of the image.
    Ignore,
}

impl<'a> Whiteout<'a> {
    /// Reads a normalized path; none where it is an ordinary one.
    pub fn of(path: &'a [u8]) -> Result<Option<Self>> {
        let Some((parent, name)) = split(path) else { return Ok(None) };
        let mut above = parent.split(|&byte| byte == b'/').filter(|part| part.starts_with(PREFIX));
        if let Some(part) = above.next() {
            return match part.starts_with(METADATA) {
                true => Ok(Some(Self::Ignore)),
                false => Err(Error::failed("it lies in a whiteout")),
            };
        }
        match name.strip_prefix(PREFIX) {
            None => Ok(None),
            Some(_) if name == OPAQUE => Ok(Some(Self::Empty(parent))),
            Some(_) if name.starts_with(METADATA) => Ok(Some(Self::Ignore)),
            Some(b"" | b"." | b"..") => Err(Error::failed("it is a whiteout of no name")),
            Some(hidden) => Ok(Some(Self::Hide(parent, hidden))),
        }
    }
}

/// What is known of the layer at hand.
#[derive(Default)]
pub struct Layers {
    /// There is something below it.
    below: bool,
    /// Hashes, by a key of our own, of the paths that it has made.
    touched: HashSet<u64>,
    hasher: RandomState,
}

impl Layers {
    fn has(&self, path: &[u8]) -> bool {
        self.touched.contains(&self.hasher.hash_one(path))
    }

    /// False where it was there.
    fn add(&mut self, path: &[u8]) -> Result<bool> {
        if self.touched.len() >= MAX_TOUCHED {
            return Err(Error::failed(format!("the layer has more than {MAX_TOUCHED} entries")));
        }
        Ok(self.touched.insert(self.hasher.hash_one(path)))
    }
}

impl Extractor<'_> {
    /// Unpacks the next layer over those that are there.
    pub fn layer<R: Read>(&mut self, archive: &mut Archive<R>) -> Result<()> {
        self.members(archive)?;
        if let Some(layers) = &mut self.layers {
            layers.touched.clear();
            layers.below = true;
        }
        // The next layer has to touch it anew.
        self.parent = None;
        Ok(())
    }

    pub(super) fn touch(&mut self, path: &[u8]) -> Result<()> {
        if let Some(layers) = self.layers.as_mut().filter(|layers| layers.below) {
            layers.add(path)?;
        }
        Ok(())
    }

    /// A directory that a member lies in is the layer's too, and so are those above.
    pub(super) fn touch_above(&mut self, mut path: &[u8]) -> Result<()> {
        while let Some((parent, _)) = split(path) {
            self.touch(path)?;
            path = parent;
        }
        Ok(())
    }

    /// Does what a whiteout asks for; false where the member is none.
    pub(super) fn whiteout(&mut self, path: &[u8], kind: &Kind) -> Result<bool> {
        let Some(whiteout) = Whiteout::of(path)? else { return Ok(false) };
        if whiteout == Whiteout::Ignore {
            return Ok(true);
        }
        // AUFS made them hard links.
        if !matches!(kind, Kind::File { .. } | Kind::HardLink(_)) {
            return Err(Error::failed("a whiteout has to be a file"));
        }
        // One marker many times must not have us read a directory as often.
        let Some(layers) = self.layers.as_mut().filter(|layers| layers.below) else { return Ok(true) };
        if !layers.add(path)? {
            return Ok(true);
        }
        match whiteout {
            Whiteout::Hide(parent, name) => self.hide(parent, name)?,
            Whiteout::Empty(dir) => self.empty(dir.to_owned())?,
            Whiteout::Ignore => {}
        }
        Ok(true)
    }

    fn hide(&mut self, parent: &[u8], name: &[u8]) -> Result<()> {
        let path = join(parent, name);
        match open_parent(self.root, parent) {
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => self.replaced(parent).then_some(()).ok_or_else(|| through(errno, parent)),
            // Of a directory that the layer has again, what was in it before goes.
            Ok(_) if self.is_touched(&path) => match open_parent(self.root, &path) {
                Ok(_) => self.empty(path),
                Err(_) => Ok(()),
            },
            Ok(dir) => self.remove(dir.as_fd(), &path, &c_string(name)?),
        }
    }

    /// Has the layer at hand put something else in the place of a directory? umoci writes whiteouts of what was in it, which
    /// went with it.
    fn replaced(&self, path: &[u8]) -> bool {
        let mut at = path;
        let mut found = false;
        // Of all that are no directories the first on the way counts.
        while let Some((above, _)) = split(at) {
            if matches!(open_parent(self.root, at), Err(Errno::LOOP | Errno::NOTDIR)) {
                found = self.is_touched(at);
            }
            at = above;
        }
        found
    }

    /// Removes from a directory all that the layer at hand has not made.
    fn empty(&mut self, dir: Vec<u8>) -> Result<()> {
        let mut left = vec![dir];
        while let Some(at) = left.pop() {
            let dir = match open_directory(self.root, &at, OFlags::RDONLY) {
                Err(Errno::NOENT) => continue,
                Err(_) if self.replaced(&at) => continue,
                other => other.map_err(|errno| through(errno, &at))?,
            };
            for entry in list(&dir)? {
                let path = join(&at, entry.name.to_bytes());
                if !self.is_touched(&path) {
                    self.remove(dir.as_fd(), &path, &entry.name)?;
                } else if open_parent(dir.as_fd(), entry.name.to_bytes()).is_ok() {
                    left.push(path);
                }
            }
        }
        Ok(())
    }

    /// Whatever has the name of a member that is to come goes.
    pub(super) fn make_room(&mut self, path: &[u8], name: &CStr) -> Result<()> {
        if self.layers.is_none() {
            return Ok(());
        }
        self.touch(path)?;
        let Some((_, parent)) = &self.parent else { return Err(Errno::BADF.into()) };
        delete::remove(parent.as_fd(), name)?;
        self.pending.forget(path);
        Ok(())
    }

    /// A directory stays what it is; anything else makes room for one.
    pub(super) fn replace_by_directory(&mut self, path: &[u8], name: &CStr) -> Result<()> {
        let Some((_, parent)) = &self.parent else { return Err(Errno::BADF.into()) };
        match open_parent(parent.as_fd(), name.to_bytes()) {
            Ok(_) => Ok(()),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                delete::remove(parent.as_fd(), name)?;
                self.pending.forget(path);
                Ok(rustix::fs::mkdirat(parent, name, rustix::fs::Mode::RWXU)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn remove(&mut self, dir: BorrowedFd<'_>, path: &[u8], name: &CStr) -> Result<()> {
        delete::remove(dir, name)?;
        self.pending.forget(path);
        // It may be the directory at hand.
        self.parent = None;
        Ok(())
    }

    fn is_touched(&self, path: &[u8]) -> bool {
        self.layers.as_ref().is_some_and(|layers| layers.has(path))
    }
}

#[cfg(test)]
mod tests {
    use crate::image::archive::layer::*;

    #[test]
    fn names_of_whiteouts_are_read_as_the_specification_says() {
        let of = |path: &'static str| Whiteout::of(path.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("a/b"), Ok(None));
        assert_eq!(of("a/.whb"), Ok(None));
        assert_eq!(of("a/x.wh.b"), Ok(None));
        assert_eq!(of(".wh.b"), Ok(Some(Whiteout::Hide(b"", b"b"))));
        assert_eq!(of("a/c/.wh.b"), Ok(Some(Whiteout::Hide(b"a/c", b"b"))));
        assert_eq!(of("a/.wh..hidden"), Ok(Some(Whiteout::Hide(b"a", b".hidden"))));
        assert_eq!(of("a/.wh...x"), Ok(Some(Whiteout::Hide(b"a", b"..x"))));
        assert_eq!(of(".wh..wh..opq"), Ok(Some(Whiteout::Empty(b""))));
        assert_eq!(of("a/.wh..wh..opq"), Ok(Some(Whiteout::Empty(b"a"))));
        for ignored in [".wh..wh.aufs", "a/.wh..wh.orph", ".wh..wh.plnk/42.7", ".wh..wh..opq2"] {
            assert_eq!(of(ignored), Ok(Some(Whiteout::Ignore)), "{ignored}");
        }
        for refused in [".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..", "a/.wh..."] {
            assert_eq!(of(refused), Err("it is a whiteout of no name".to_owned()), "{refused}");
        }
        for refused in [".wh.a/b", ".wh.../x", "a/.wh.b/c/.wh.d"] {
            assert_eq!(of(refused), Err("it lies in a whiteout".to_owned()), "{refused}");
        }
    }
}
