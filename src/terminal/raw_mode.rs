//! The caller's terminal in raw mode, given back as it was on every way out but SIGKILL.

use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr};

use crate::error::{Context, Result};

/// While this lives every key goes to the program as it is: Ctrl-C too.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
    during: Termios,
}

impl RawMode {
    /// Puts a terminal into raw mode.
    pub fn enter(terminal: impl AsFd) -> Result<Self> {
        Self::with(terminal, Termios::make_raw)
    }

    /// Only shows what a program's own terminal has made of its lines already; keys are what they were.
    pub fn for_output(terminal: impl AsFd) -> Result<Self> {
        Self::with(terminal, |mode| mode.output_modes.remove(OutputModes::OPOST))
    }

    fn with(terminal: impl AsFd, change: impl FnOnce(&mut Termios)) -> Result<Self> {
        let terminal = terminal.as_fd().try_clone_to_owned().context("cannot keep the terminal")?;
        let before = tcgetattr(&terminal).context("cannot ask the terminal for its mode")?;
        restore_at_panic(&terminal, &before)?;
        let mut during = before.clone();
        change(&mut during);
        let raw = Self { terminal, before, during };
        raw.renew().context("cannot put the terminal into raw mode")?;
        Ok(raw)
    }

    /// Once more, after a shell that had stopped us has set its own mode.
    pub fn renew(&self) -> rustix::io::Result<()> {
        tcsetattr(&self.terminal, OptionalActions::Now, &self.during)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Not after draining: a window that reads nothing would hold us for ever.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// The release build aborts at a panic, without running any destructor.
fn restore_at_panic(terminal: &OwnedFd, before: &Termios) -> Result<()> {
    let terminal = terminal.try_clone().context("cannot keep the terminal")?;
    let before = before.clone();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
        report(panic);
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::pty::Pty;
    use rustix::termios::LocalModes;

    #[test]
    fn the_mode_comes_back() {
        let pty = Pty::of_host().unwrap();
        let echoes = || tcgetattr(&pty.slave).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ISIG);
        assert!(echoes());
        let raw = RawMode::enter(&pty.slave).unwrap();
        assert!(!echoes());
        drop(raw);
        assert!(echoes());
    }
}
