//! Small TOML files beside images and disks: read with bounds, replaced whole.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::SystemTime;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, fsync, renameat, unlinkat};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::staging::unique;
use crate::error::{Context, Error, Result};
use crate::image::tree::access::{create_file, open_inside};

const MAX_SIZE: u64 = 1 << 20;

/// Reads one; none if it is not there.
pub fn read<T: DeserializeOwned>(dir: BorrowedFd<'_>, name: &CStr) -> Result<Option<T>> {
    let file = match open_inside(dir, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.with_context(|| format!("cannot open {}", name.to_string_lossy()))?,
    };
    parse(file.into()).with_context(|| format!("cannot read {}", name.to_string_lossy())).map(Some)
}

fn parse<T: DeserializeOwned>(file: File) -> Result<T> {
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::failed("not a regular file"));
    }
    let mut text = String::with_capacity(crate::file::room(stat.st_size));
    file.take(MAX_SIZE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SIZE {
        return Err(Error::failed("larger than 1 MiB"));
    }
    toml::from_str(&text).map_err(|error| Error::failed(error.message()))
}

/// Replaces one. `durable` also outlasts a power cut; without it a crash may leave the old one or none.
pub fn write<T: Serialize>(dir: BorrowedFd<'_>, name: &CStr, value: &T, durable: bool) -> Result<()> {
    let text = toml::to_string(value).map_err(Error::failed)?;
    if text.len() as u64 > MAX_SIZE {
        return Err(Error::failed(format!("{} would be larger than 1 MiB", name.to_string_lossy())));
    }
    let temporary = unique(".tmp-", "");
    let replace = || -> Result<()> {
        let mut file = File::from(create_file(dir, &temporary, Mode::RUSR | Mode::WUSR)?);
        file.write_all(text.as_bytes())?;
        if durable {
            fsync(file.as_fd())?;
        }
        renameat(dir, &*temporary, dir, name)?;
        if durable {
            fsync(dir)?;
        }
        Ok(())
    };
    replace()
        .inspect_err(|_| {
            let _ = unlinkat(dir, &*temporary, AtFlags::empty());
        })
        .with_context(|| format!("cannot write {}", name.to_string_lossy()))
}

/// Now, as records have it: RFC 3339, UTC, whole seconds.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
