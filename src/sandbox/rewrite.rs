//! Generated files of a container that runs, /etc/hosts and /etc/resolv.conf: written where they lie, in /run/host, since
//! what is mounted at their places is those very files.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use super::root;
use super::tree::file_name;
use crate::error::{Context, Error, Result};
use crate::plan::{FileSource, Plan};

/// As in the image, which is bounded likewise.
const LARGEST: u64 = 2 << 20;

/// Makes the files of `old` say what those of `new` say. `top` is the container's root.
pub fn rewrite(top: BorrowedFd<'_>, old: &Plan, new: &Plan) -> Result<()> {
    let pairs = old.sandbox.files.iter().zip(&new.sandbox.files).enumerate();
    // Those that are kept up to date lie on the host, see [`crate::names`].
    let ours = pairs.filter(|(_, (old, new))| !old.kept && old.content != new.content);
    for (index, (old_file, new_file)) in ours {
        let action = || format!("cannot write {}", new_file.target);
        let file = open(top, index, old).with_context(action)?;
        replace(File::from(file), old_file, new_file).with_context(action)?;
    }
    Ok(())
}

/// What a payload could put in its place is nothing that it could not write to itself: a file of its own root's, in the
/// directory where ours was, and no link.
fn open(top: BorrowedFd<'_>, index: usize, plan: &Plan) -> Result<OwnedFd> {
    let directory = root::open(top, "/run/host", OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW)?;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat2(&directory, file_name(index), flags, Mode::empty(), how)?;
    let stat = fstat(&file)?;
    let owner = plan.disk.ids.map_or(0, |ids| ids.first);
    match FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_uid == owner {
        true => Ok(file),
        false => Err(Error::failed("somebody in the container has put something else there: restart it")),
    }
}

/// What the image says stays in front. Never empty in between: who reads it meanwhile finds names.
fn replace(mut file: File, old: &FileSource, new: &FileSource) -> Result<()> {
    let mut text = String::new();
    if old.after_image {
        (&mut file).take(LARGEST).read_to_string(&mut text)?;
    }
    let (old_text, new_text) = (old.content.as_str(), new.content.as_str());
    let (longer, shorter) = if old_text.len() > new_text.len() { (old_text, new_text) } else { (new_text, old_text) };
    let before = match old.after_image {
        false => "",
        // The new one, where an apply was killed a moment later. The longer first, which may end as the other does.
        true => match text.strip_suffix(longer).or_else(|| text.strip_suffix(shorter)) {
            Some(before) => before,
            None => return Err(Error::failed("somebody in the container has changed it: restart it")),
        },
    };
    let text = format!("{before}{}", new.content);
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    Ok(file.set_len(text.len() as u64)?)
}
