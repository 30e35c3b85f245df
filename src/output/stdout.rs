//! Standard output: data, and nothing but.

use std::io::{ErrorKind, Write, stdout};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Context, Error, Result};

/// Whether nobody reads it any more: for who would write for ever.
pub fn is_over() -> bool {
    // POLLERR is told unasked.
    let mut stdout = [PollFd::from_borrowed_fd(rustix::stdio::stdout(), PollFlags::empty())];
    matches!(poll(&mut stdout, Some(&Timespec::default())), Ok(1..)) && stdout[0].revents().contains(PollFlags::ERR)
}

/// Writes `text`. A reader that has gone (`soute list | head -1`) has what it wanted; a full disk is a failure.
pub fn write(text: &str) -> Result<()> {
    let mut stdout = stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::from).context("cannot write to standard output"),
    }
}
