//! One error voice: action and object, lower case, causes chained with ": ", and the exit statuses of soute(8).

use std::fmt::{self, Display};

/// The exit status of a failed command, as listed in soute(8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The operation failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The container is not running.
    NotRunning = 3,
    /// No such container or image.
    NotFound = 4,
    /// A definition is invalid.
    Invalid = 5,
    /// Another command holds the name.
    Busy = 6,
    /// What was compared differs.
    Differs = 7,
    /// The time allowed has passed.
    TimedOut = 8,
    /// The caller may not do this.
    NotPermitted = 9,
    /// `run` and `exec`: the program is there and cannot be executed.
    CannotInvoke = 126,
    /// `run` and `exec`: there is no such program in the container.
    CommandNotFound = 127,
}

impl Exit {
    /// What a soute that somebody else has started has ended with.
    pub fn of_status(status: i32) -> Self {
        let known = [Self::NotRunning, Self::NotFound, Self::Invalid, Self::Busy, Self::TimedOut, Self::NotPermitted];
        known.into_iter().find(|exit| *exit as i32 == status).unwrap_or(Self::Failed)
    }
}

/// A failure with its chain of causes, outermost first.
#[derive(Debug)]
pub struct Error {
    exit: Exit,
    message: String,
}

/// What every fallible function of soute returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure with an exit status of its own.
    pub fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// A failure with exit status 1.
    pub fn failed(message: impl Display) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// With the action in front of the cause.
    pub fn within(self, action: impl Display) -> Self {
        Self { exit: self.exit, message: format!("{action}: {}", self.message) }
    }

    /// The exit status that the process ends with.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// An operating system's refusal keeps EPERM and EACCES as "not permitted".
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            std::io::ErrorKind::TimedOut => Exit::TimedOut,
            _ => Exit::Failed,
        };
        // "No such file or directory (os error 2)" carries a number that helps nobody.
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
        Self { exit, message: text }
    }
}

impl From<nix::errno::Errno> for Error {
    fn from(errno: nix::errno::Errno) -> Self {
        std::io::Error::from(errno).into()
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        std::io::Error::from(errno).into()
    }
}

/// Puts the action in front of a cause: `cannot open /etc/x: No such file or directory`.
pub trait Context<T> {
    /// The action, already formatted.
    fn context(self, action: impl Display) -> Result<T>;
    /// The action, formatted only when it failed.
    fn with_context<D: Display>(self, action: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, action: impl Display) -> Result<T> {
        self.with_context(|| action)
    }

    fn with_context<D: Display>(self, action: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| {
            let cause: Error = error.into();
            cause.within(action())
        })
    }
}
