//! The connection to PID 1, and trying again while PID 1 re-executes itself.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bus::Bus;
use super::failure::Failure;
use crate::error::{Context, Error, Result};

/// The waits between tries: about 15 s in all, as runc found to be enough for a busy host's daemon-reexec.
pub(super) const BACK_OFF: [u64; 7] = [20, 80, 300, 600, 2000, 4000, 8000];

/// The service manager. Each operation has a connection of its own, as root to PID 1 itself, else over the system bus.
pub struct Manager {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// How many [`Keep`]s there are.
    keeps: usize,
    bus: Option<Bus>,
}

/// See [`Manager::keep`].
pub struct Keep<'m>(&'m Manager);

impl Drop for Keep<'_> {
    fn drop(&mut self) {
        let mut kept = self.0.kept();
        kept.keeps -= 1;
        if kept.keeps == 0 {
            kept.bus = None;
        }
    }
}

impl Manager {
    /// Finds out whether there is one.
    pub fn connect() -> Result<Self> {
        // sd_booted(3). Without it there is nothing to wait for.
        match Path::new("/run/systemd/system").is_dir() {
            true => Ok(Self { kept: Mutex::default() }),
            false => Err(Error::failed("this host was not booted with systemd")),
        }
    }

    /// The number in systemd's version: 252, 257.
    pub fn version(&self) -> Result<u32> {
        let version = self.run(async |bus| bus.get_manager("Version").await)?;
        let text = <&str>::try_from(&version).map_err(Error::failed).context("cannot read systemd's version")?;
        parse_version(text).ok_or_else(|| Error::failed(format!("cannot read systemd's version {text:?}")))
    }

    /// Lets operations share one connection, which saves each of them a millisecond. Only for what goes on without a
    /// pause: nobody reads the connection between two operations, and PID 1 holds its signals back from everybody while
    /// somebody does not read.
    pub fn keep(&self) -> Keep<'_> {
        self.kept().keeps += 1;
        Keep(self)
    }

    /// Closes the connection that is kept, before a pause.
    pub fn rest(&self) {
        self.kept().bus = None;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs an operation, from its beginning again when the connection breaks: so it must find out what an earlier try
    /// has done.
    pub(super) fn run<T>(&self, operation: impl AsyncFn(&Bus) -> Result<T, Failure>) -> Result<T, Failure> {
        let (value, bus) = self.session(operation)?;
        let mut kept = self.kept();
        if kept.keeps > 0 {
            kept.bus = Some(bus);
        }
        Ok(value)
    }

    /// The same, for an operation that goes on: with its connection.
    pub(super) fn session<T>(&self, operation: impl AsyncFn(&Bus) -> Result<T, Failure>) -> Result<(T, Bus), Failure> {
        let mut waits = BACK_OFF.into_iter();
        loop {
            let kept = self.kept().bus.take();
            let result = kept.map_or_else(Bus::open, Ok).and_then(|bus| {
                let value = bus.block_on(operation(&bus))?;
                Ok((value, bus))
            });
            let Err(Failure::Lost(reason)) = result else { return result };
            let Some(wait) = waits.next() else { return Err(Failure::Lost(reason)) };
            std::thread::sleep(Duration::from_millis(wait));
        }
    }
}

/// "252.39-1~deb12u2", "257.9-1~deb13u1", "v262-rc1".
fn parse_version(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches('v');
    let end = digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_as_distributions_write_them() {
        assert_eq!(parse_version("252.39-1~deb12u2"), Some(252));
        assert_eq!(parse_version("v262-rc1"), Some(262));
        assert_eq!(parse_version("garbage"), None);
    }
}
