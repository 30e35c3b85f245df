//! One direction of a relay.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// As much as a pipe takes at once.
const BUFFER: usize = 65536;
/// Ctrl-D, which ends the input of a program that reads lines.
const END_OF_INPUT: u8 = 4;

/// Bytes from one descriptor to another, in order, with one buffer between.
#[derive(Debug)]
pub struct Flow {
    from: Option<OwnedFd>,
    to: Option<OwnedFd>,
    buffer: Vec<u8>,
    written: usize,
    /// What the program writes is waited for when it has ended; what the user types is not.
    pub outward: bool,
    /// `to` is a terminal, whose end of input is a character.
    types: bool,
    last: u8,
}

impl Flow {
    /// From the caller to a program's pipe: closed where the input ends.
    pub fn into_pipe(from: OwnedFd, to: OwnedFd) -> Self {
        Self {
            from: Some(from),
            to: Some(to),
            buffer: Vec::new(),
            written: 0,
            outward: false,
            types: false,
            last: b'\n',
        }
    }

    /// From the caller to the master of a program's terminal.
    pub fn into_terminal(from: OwnedFd, to: OwnedFd) -> Self {
        Self { types: true, ..Self::into_pipe(from, to) }
    }

    /// From a program to the caller.
    pub fn out(from: OwnedFd, to: OwnedFd) -> Self {
        Self { outward: true, ..Self::into_pipe(from, to) }
    }

    /// The descriptor to wait for; none when it is over.
    pub fn awaits(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match self.is_full() {
            true => self.to.as_ref().map(|to| (to.as_fd(), PollFlags::OUT)),
            false => self.from.as_ref().map(|from| (from.as_fd(), PollFlags::IN)),
        }
    }

    /// Whether there is something read and not yet written.
    pub fn is_full(&self) -> bool {
        self.written < self.buffer.len()
    }

    /// Goes on after the descriptor awaited is ready.
    pub fn go_on(&mut self) {
        if !self.is_full() {
            self.read();
        }
        if self.is_full() {
            self.write();
        }
    }

    fn read(&mut self) {
        let Some(from) = &self.from else { return };
        self.buffer.resize(BUFFER, 0);
        self.written = 0;
        match rustix::io::read(from, &mut self.buffer[..]) {
            Ok(length @ 1..) => {
                self.buffer.truncate(length);
                self.last = self.buffer[length - 1];
            }
            Err(Errno::AGAIN | Errno::INTR) => self.buffer.clear(),
            // A terminal whose other end is closed says EIO for the end.
            Ok(_) | Err(_) => self.end(),
        }
    }

    /// The input is over, and everything of it is written.
    fn end(&mut self) {
        self.from = None;
        self.buffer.clear();
        if self.types {
            // In the middle of a line the first one only hands the line over.
            let times = if self.last == b'\n' { 1 } else { 2 };
            self.buffer.resize(times, END_OF_INPUT);
        } else {
            self.to = None;
        }
    }

    fn write(&mut self) {
        let Some(to) = &self.to else { return };
        match rustix::io::write(to, &self.buffer[self.written..]) {
            Ok(length) => self.written += length,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                // Nobody reads: the program hears of it when its own end breaks.
                self.buffer.clear();
                self.written = 0;
                self.from = None;
                self.to = None;
            }
        }
    }
}

/// A descriptor of our own for what the caller has given us, which may be made non-blocking: on the caller's that would
/// outlive us, in the shell.
pub fn own(fd: BorrowedFd<'_>, access: OFlags) -> std::io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let stat = rustix::fs::fstat(fd)?;
    let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
    // A second opening of a file would begin at its start; reading and writing files and sockets is as good as immediate.
    if matches!(kind, rustix::fs::FileType::CharacterDevice | rustix::fs::FileType::Fifo) {
        let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        if let Ok(own) = rustix::fs::open(path, flags, Mode::empty()) {
            return Ok(own);
        }
    }
    fd.try_clone_to_owned()
}
