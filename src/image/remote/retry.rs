//! What may go better the next time, and how long that is tried.

use std::time::{Duration, SystemTime};

use crate::error::{Error, Exit};

/// Times that something is tried.
pub const ATTEMPTS: u32 = 5;
/// The longest that a server may ask us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How a request failed.
#[derive(Debug)]
pub enum Failure {
    /// It is not going to be better.
    Final(Error),
    /// A broken connection, a server that has too much to do; and how long that server wants us to wait.
    Passing(Error, Option<Duration>),
}

impl Failure {
    /// In front of the cause: the action.
    pub fn at(self, action: &str) -> Self {
        let with = |error: Error| Error::new(error.exit(), format!("{action}: {error}"));
        match self {
            Self::Final(error) => Self::Final(with(error)),
            Self::Passing(error, wait) => Self::Passing(with(error), wait),
        }
    }

    /// The error alone.
    pub fn into_error(self) -> Error {
        match self {
            Self::Final(error) | Self::Passing(error, _) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// Between two attempts: longer each time, and by chance a little more for some than for others who wait as well.
#[derive(Debug)]
pub struct BackOff {
    first: Duration,
    failed: u32,
}

impl BackOff {
    /// Beginning with a wait of this length.
    pub fn new(first: Duration) -> Self {
        Self { first, failed: 0 }
    }

    /// Something went well.
    pub fn reset(&mut self) {
        self.failed = 0;
    }

    /// Waits, if it is worth it to try once more.
    pub fn wait(&mut self, failure: Failure) -> Result<(), Error> {
        let (error, wanted) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing(error, wanted) => (error, wanted),
        };
        self.failed += 1;
        if self.failed >= ATTEMPTS {
            return Err(Error::new(error.exit(), format!("{error} ({ATTEMPTS} attempts)")));
        }
        std::thread::sleep(wanted.unwrap_or_else(|| self.pause()).min(LONGEST_WAIT));
        Ok(())
    }

    fn pause(&self) -> Duration {
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().subsec_nanos();
        let doubled = self.first.saturating_mul(1 << (self.failed - 1).min(8));
        doubled + doubled.mul_f64(f64::from(nanos % 1000) / 2000.0)
    }
}

/// Does something until it succeeds, fails for good, or has been tried often enough.
pub fn retried<T>(first: Duration, mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, Error> {
    let mut pause = BackOff::new(first);
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(failure) => pause.wait(failure)?,
        }
    }
}

/// It took too long.
pub fn too_slow(message: &str) -> Failure {
    Failure::Passing(Error::new(Exit::TimedOut, message), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_five_times_and_what_does_not_once() {
        let count = |failure: fn() -> Failure| {
            let mut times = 0;
            let result = retried(Duration::ZERO, || {
                times += 1;
                Err::<(), _>(failure())
            });
            (times, result.unwrap_err().to_string())
        };
        let passing = || Failure::Passing(Error::failed("busy"), Some(Duration::ZERO));
        assert_eq!(count(passing), (5, "busy (5 attempts)".to_owned()));
        assert_eq!(count(|| Failure::Final(Error::failed("no"))), (1, "no".to_owned()));
    }
}
