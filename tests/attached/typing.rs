//! A terminal with somebody at it.

use crate::lab::Lab;
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use soute::terminal::pty::Pty;
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A command of the lab on a terminal of its own.
pub struct Typist {
    pty: Pty,
    child: Child,
    /// Everything that was shown.
    pub shown: String,
}

impl Typist {
    /// Starts a line of shell, whose terminal has 24 lines of 80 columns.
    pub fn start(lab: &Lab, line: &str) -> Self {
        let pty = Pty::of_host().expect("a terminal");
        let slave = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let mut command = lab.command(["setsid", "--ctty", "--wait", "sh", "-c", line]);
        let child = command.env("TERM", "vt100").stdin(slave()).stdout(slave()).stderr(slave()).spawn().expect("enter");
        let typist = Self { pty, child, shown: String::new() };
        typist.resize(24, 80);
        typist
    }

    /// Types.
    pub fn keys(&self, keys: &str) {
        rustix::io::write(&self.pty.master, keys.as_bytes()).expect("a terminal");
    }

    /// Waits until something is shown after what was seen so far, which is forgotten.
    #[track_caller]
    pub fn sees(&mut self, text: &str) {
        let start = Instant::now();
        while !self.shown.contains(text) {
            assert!(start.elapsed() < PATIENCE, "{text:?} was not shown, but {:?}", self.shown);
            self.look();
            std::thread::sleep(Duration::from_millis(5));
        }
        let end = self.shown.find(text).expect("seen") + text.len();
        self.shown.drain(..end);
    }

    /// Makes the window another size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.pty.master, size).expect("a terminal");
    }

    /// Whether keys are shown and Ctrl-C is a signal, as a shell leaves a terminal.
    pub fn is_cooked(&self) -> bool {
        let modes = tcgetattr(&self.pty.slave).expect("a terminal").local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Waits for the end and gives its status; the terminal has to be as it was.
    #[track_caller]
    pub fn ends(&mut self) -> i32 {
        let start = Instant::now();
        let status = loop {
            self.look();
            match self.child.try_wait().expect("our child") {
                Some(status) => break status,
                None => assert!(start.elapsed() < PATIENCE, "it goes on, and has shown {:?}", self.shown),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.look();
        assert!(self.is_cooked(), "the terminal is still in raw mode");
        status.code().expect("no signal ends nsenter")
    }

    fn look(&mut self) {
        let master: &OwnedFd = &self.pty.master;
        let mut bytes = [0; 65536];
        // Non-blocking: an error is that there is nothing.
        while let Ok(length @ 1..) = rustix::io::read(master, &mut bytes[..]) {
            self.shown += &String::from_utf8_lossy(&bytes[..length]);
        }
    }
}
