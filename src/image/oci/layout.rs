//! Writing an OCI image layout (image-spec, image-layout.md) of one layer, as a directory or as a tar archive. Digests are
//! computed while blobs are written: what has a digest for a name gets its name, or its header, afterwards.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, fsync, mkdirat, renameat, statat};
use rustix::io::Errno;
use tar::{EntryType, Header};

use super::describe::{self, Blob};
use super::digest::Hasher;
use crate::error::{Context, Error, Result};
use crate::image::archive::pack::{View, WHOLE, pack_as, pack_end, pack_text};
use crate::image::export::{Compression, Output, encoded, place};
use crate::image::staging::Staging;
use crate::image::store::Declared;
use crate::image::tree::access::{create_file, open_dir};

const BLOCK: u64 = 512;
const BLOBS: &str = "blobs/sha256/";
const VERSION: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const LAYER: View = View { layer: true, ..WHOLE };

/// What an image is called and declares.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// What the index calls it.
    pub name: &'a str,
    /// What its configuration declares.
    pub declared: &'a Declared,
}

/// What a layout is written as.
#[derive(Debug)]
pub enum Target {
    /// A directory, in the making until its commit.
    Directory {
        /// It.
        staging: Staging,
        /// Where it will lie.
        name: CString,
        /// The directory of its blobs.
        blobs: OwnedFd,
    },
    /// A tar archive.
    Archive(Output),
}

impl Target {
    /// A directory. None is ever replaced: what else is in it is not ours to remove.
    pub fn directory(path: &Path) -> Result<Self> {
        let (parent, name) = place(path)?;
        if statat(&parent, &*name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(taken());
        }
        let staging = Staging::begin(parent.as_fd())?;
        mkdirat(staging.dir(), c"blobs", Mode::RWXU)?;
        mkdirat(staging.dir(), c"blobs/sha256", Mode::RWXU)?;
        let blobs = open_dir(staging.dir(), c"blobs/sha256")?;
        Ok(Self::Directory { staging, name, blobs })
    }

    /// An archive.
    pub fn archive(path: &Path, replace: bool) -> Result<Self> {
        Output::begin(path, replace).map(Self::Archive)
    }

    /// Writes a tree as the only layer, whole or not at all. What a layer cannot hold comes back.
    pub fn write(
        mut self,
        described: Described<'_>,
        tree: BorrowedFd<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<u8>>> {
        let (layer, (diff_id, left_out)) = self.blob(|out| {
            encoded(out, Compression::Gzip, |out| {
                let mut unpacked = Hashing::new(out);
                let left_out = pack_as(b".", tree, LAYER, &mut unpacked, progress)?;
                Ok((unpacked.blob().digest, left_out))
            })
        })?;
        let config = self.document(&describe::config(described.declared, &diff_id))?;
        let manifest = self.document(&describe::manifest(&config, &layer))?;
        self.file("index.json", &describe::index(&manifest, described.name))?;
        self.file("oci-layout", VERSION)?;
        self.commit()?;
        Ok(left_out)
    }

    fn document(&mut self, text: &str) -> Result<Blob> {
        self.blob(|out| Ok(out.write_all(text.as_bytes())?)).map(|(blob, ())| blob)
    }

    fn blob<T>(&mut self, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<(Blob, T)> {
        match self {
            Self::Directory { blobs, .. } => {
                let file = File::from(create_file(blobs.as_fd(), c"new", Mode::RUSR | Mode::WUSR)?);
                let (blob, written) = hashed(&file, write)?;
                fsync(&file)?;
                renameat(&*blobs, c"new", &*blobs, blob.digest.hex())?;
                Ok((blob, written))
            }
            Self::Archive(output) => {
                let mut file = File::from(output.file().try_clone_to_owned()?);
                let header = file.stream_position()?;
                file.write_all(&[0; BLOCK as usize])?;
                let (blob, written) = hashed(&file, write)?;
                let missing = blob.size.next_multiple_of(BLOCK) - blob.size;
                file.write_all(&[0; BLOCK as usize][..usize::try_from(missing).unwrap_or_default()])?;
                file.write_all_at(member(&blob)?.as_bytes(), header)?;
                Ok((blob, written))
            }
        }
    }

    fn file(&mut self, name: &str, text: &str) -> Result<()> {
        match self {
            Self::Directory { staging, .. } => {
                let path = CString::new(name).map_err(Error::failed)?;
                let mut file = File::from(create_file(staging.dir(), &path, Mode::RUSR | Mode::WUSR)?);
                file.write_all(text.as_bytes())?;
                Ok(fsync(&file)?)
            }
            Self::Archive(output) => pack_text(name, text, &mut File::from(output.file().try_clone_to_owned()?)),
        }
    }

    fn commit(self) -> Result<()> {
        match self {
            Self::Archive(output) => {
                pack_end(&mut File::from(output.file().try_clone_to_owned()?))?;
                output.commit()
            }
            Self::Directory { staging, name, blobs } => {
                fsync(&blobs)?;
                fsync(open_dir(staging.dir(), c"blobs")?)?;
                fsync(staging.dir())?;
                match staging.commit(&name) {
                    Err(Errno::EXIST) => Err(taken()),
                    other => Ok(other.map(|_| ())?),
                }
            }
        }
    }
}

fn taken() -> Error {
    Error::failed("it exists, and a directory is never replaced")
}

/// The header of a blob. More than the octal digits hold, 8 GiB, is written in the base 256 of GNU tar, as everybody reads it.
fn member(blob: &Blob) -> Result<Header> {
    let mut header = Header::new_ustar();
    let path = format!("{BLOBS}{}", blob.digest.hex());
    header.set_path(&path).with_context(|| format!("cannot write {path}"))?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(blob.size);
    header.set_cksum();
    Ok(header)
}

fn hashed<T>(file: &File, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<(Blob, T)> {
    let mut out = Hashing::new(BufWriter::with_capacity(256 << 10, file));
    let written = write(&mut out)?;
    out.flush()?;
    Ok((out.blob(), written))
}

/// Hashes and counts what is written.
struct Hashing<W> {
    to: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> Hashing<W> {
    fn new(to: W) -> Self {
        Self { to, hasher: Hasher::default(), size: 0 }
    }

    fn blob(self) -> Blob {
        Blob { digest: self.hasher.finish(), size: self.size }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.to.write(bytes)?;
        self.hasher.update(&bytes[..length]);
        self.size += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
