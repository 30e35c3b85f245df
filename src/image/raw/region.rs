//! Where in a file the file system of an image lies: all of the file, or the root partition of a disk.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::Mode;

use crate::error::{Context, Error, Result};
use crate::image::copy::{self, Options, Progress};
use crate::image::raw::gpt;
use crate::image::raw::superblock::{FsType, HEAD, Superblock, recognize};
use crate::image::store::RAW;
use crate::image::tree::access::create_file;
use crate::image::tree::content::Copier;

/// A file system in a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// Which one.
    pub fs: FsType,
    start: u64,
    length: u64,
    whole: bool,
}

/// Finds it. What can be read as a file system and as a disk is neither, as others would read it in the other way.
pub fn find(file: &File) -> Result<Place> {
    let length = file.metadata()?.len();
    let head = head(file, 0, length)?;
    let superblock = recognize(&head, length);
    let whole = |superblock: Superblock| Place { fs: superblock.fs, start: 0, length, whole: true };
    let Some(sector) = gpt::sector(&head) else { return superblock.map(whole) };
    let read = |at: u64, buffer: &mut [u8]| match file.read_exact_at(buffer, at) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Error::failed("it is cut off")),
        other => other.map_err(Error::from),
    };
    match superblock {
        // mke2fs leaves the header of a table where there was one; its entries are gone.
        Ok(superblock) if gpt::partitions(sector, length, &read).is_err() => Ok(whole(superblock)),
        Ok(superblock) => Err(Error::failed(format!(
            "it is a disk with a partition table (GPT) and {} as well: wipefs(8) takes away what it is not",
            superblock.fs.name()
        ))),
        Err(_) => of_partition(file, &gpt::root(sector, length, &read)?),
    }
}

fn of_partition(file: &File, root: &gpt::Partition) -> Result<Place> {
    let gpt::Partition { number, start, length, .. } = *root;
    let superblock = recognize(&head(file, start, length)?, length);
    let superblock = superblock.with_context(|| format!("its root partition, number {number}"))?;
    Ok(Place { fs: superblock.fs, start, length, whole: false })
}

/// The beginning of a part of the file.
fn head(file: &File, start: u64, length: u64) -> Result<Vec<u8>> {
    let mut head = vec![0; HEAD.min(usize::try_from(length).unwrap_or(HEAD))];
    file.read_exact_at(&mut head, start).context("cannot read it")?;
    Ok(head)
}

/// Could these bytes, which a longer file begins with, be what [`find`] finds something in?
pub fn begins_so(head: &[u8]) -> bool {
    recognize(head, u64::MAX).is_ok() || gpt::sector(head).is_some()
}

impl Place {
    /// Makes it the raw file of an image in `dir`.
    pub fn copy(&self, file: &File, dir: BorrowedFd<'_>, progress: &mut Progress<'_>) -> Result<()> {
        if self.whole {
            let options = Options { total: Some(self.length), ..Options::default() };
            return copy::raw(file.as_fd(), dir, RAW, options, progress).map(drop);
        }
        let target = create_file(dir, RAW, Mode::RUSR | Mode::WUSR)?;
        let mut done = 0;
        let mut count = |bytes| {
            done += bytes;
            progress(done, Some(self.length));
        };
        Ok(Copier::new(false).copy_part(file.as_fd(), self.start, self.length, target.as_fd(), &mut count)?)
    }
}
