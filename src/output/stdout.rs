//! Standard output: data, and nothing but.

use std::io::{ErrorKind, Write, stdout};

use crate::error::{Context, Error, Result};

/// Writes `text`. A reader that has gone (`soute list | head -1`) has what it wanted; a full disk is a failure.
pub fn write(text: &str) -> Result<()> {
    let mut stdout = stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::from).context("cannot write to standard output"),
    }
}
