//! One direction of a connection: from one socket to the other through a pipe, so that the bytes never come to us.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};

/// A few segments of a local connection.
const SIZE: usize = 256 * 1024;
/// One connection is served so much before the others have their turn.
const TURN: usize = 4 * SIZE;
/// How many empty pipes are kept for the next who needs one.
const SPARE: usize = 64;

/// Two ends, and how much is in between.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    size: usize,
}

/// Empty pipes. Of ten thousand connections few move bytes at one moment, and only those need one.
#[derive(Debug, Default)]
pub struct Spare(Vec<Pipe>);

impl Spare {
    fn take(&mut self) -> Result<Pipe, Errno> {
        if let Some(pipe) = self.0.pop() {
            return Ok(pipe);
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A user has only so much memory for pipes (pipe-user-pages-soft): later ones are smaller.
        let size = fcntl_setpipe_size(&write, SIZE).or_else(|_| fcntl_getpipe_size(&write))?;
        Ok(Pipe { read, write, size })
    }

    fn give(&mut self, pipe: Option<Pipe>) {
        if let Some(pipe) = pipe.filter(|_| self.0.len() < SPARE) {
            self.0.push(pipe);
        }
    }
}

/// One direction.
#[derive(Debug, Default)]
pub struct Flow {
    pipe: Option<Pipe>,
    held: usize,
    /// The sender has said all.
    ended: bool,
    /// And the receiver knows.
    pub done: bool,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing can be moved until a socket says so.
    Waits,
    /// There is more, after the others.
    More,
}

impl Flow {
    /// Puts something before what the sender says.
    pub fn begin_with(&mut self, bytes: &[u8], spare: &mut Spare) -> Result<(), Errno> {
        let pipe = spare.take()?;
        self.held = rustix::io::write(&pipe.write, bytes)?;
        self.pipe = Some(pipe);
        Ok(())
    }

    /// Moves what can be moved now. An error is the end of the connection: one of the two has gone.
    pub fn turn(&mut self, from: impl AsFd, to: impl AsFd, spare: &mut Spare) -> Result<Turn, Errno> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let mut moved = 0;
        while !self.done && moved < TURN {
            let pipe = match self.pipe.take() {
                Some(pipe) => pipe,
                None => spare.take()?,
            };
            let pipe = self.pipe.insert(pipe);
            let mut progress = false;
            if !self.ended && self.held < pipe.size {
                match splice(&from, None, &pipe.write, None, pipe.size - self.held, flags) {
                    Ok(0) => self.ended = true,
                    Ok(read) => {
                        self.held += read;
                        progress = true;
                    }
                    // Also where the pipe has no slot left for another small piece.
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
            if self.held > 0 {
                match splice(&pipe.read, None, &to, None, self.held, flags) {
                    Ok(written) => {
                        self.held -= written;
                        moved += written;
                        progress = true;
                    }
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
            if self.held == 0 {
                if self.ended {
                    self.done = true;
                    // Who has gone altogether cannot be told.
                    let _ = shutdown(&to, Shutdown::Write);
                }
                spare.give(self.pipe.take());
            }
            if !progress {
                return Ok(Turn::Waits);
            }
        }
        Ok(if self.done { Turn::Waits } else { Turn::More })
    }
}
