//! What D-Bus calls fail with, sorted by what can be done about it.

use zbus::fdo;

use crate::error::{Error, Exit};

/// A call that failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection broke: PID 1 re-executes itself, or the bus restarts. Worth another try.
    Lost(String),
    /// No unit of this name is loaded.
    NoSuchUnit(String),
    /// The name is taken: by a loaded unit, or by a unit file.
    UnitExists(String),
    /// This version of systemd has no such property, or not on this interface.
    NoSuchProperty,
    /// Anything else, final.
    Final(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost(text) => Self::failed(format!("cannot reach systemd: {text}")),
            Failure::NoSuchUnit(text) => Self::new(Exit::NotRunning, text),
            Failure::UnitExists(text) => Self::new(Exit::Busy, text),
            Failure::NoSuchProperty => Self::failed("no such property"),
            Failure::Final(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl From<zbus::Error> for Failure {
    fn from(error: zbus::Error) -> Self {
        use zbus::Error as Z;
        match error {
            Z::InputOutput(io) => by_kind(&io),
            Z::Connection(io, _) => by_kind(&io),
            // The peer hung up in the middle of the handshake.
            Z::Handshake(text) => Self::Lost(text),
            Z::MethodError(name, text, _) => by_name(&name, text.unwrap_or_else(|| name.to_string())),
            Z::FDO(error) => by_fdo(*error),
            other => Self::Final(Error::failed(other)),
        }
    }
}

fn by_kind(error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Failure::Final(Error::new(Exit::NotPermitted, error)),
        _ => Failure::Lost(Error::from(std::io::Error::new(error.kind(), error.to_string())).to_string()),
    }
}

/// The names are those of systemd's src/libsystemd/sd-bus/bus-common-errors.h.
fn by_name(name: &str, text: String) -> Failure {
    let text = plain(text);
    match name {
        "org.freedesktop.systemd1.NoSuchUnit" => Failure::NoSuchUnit(text),
        "org.freedesktop.systemd1.UnitExists" => Failure::UnitExists(text),
        "org.freedesktop.systemd1.ShuttingDown" => Failure::Final(Error::new(Exit::Busy, "the host is shutting down")),
        "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" => {
            Failure::Final(Error::new(Exit::NotPermitted, text))
        }
        _ => Failure::Final(Error::failed(text)),
    }
}

fn by_fdo(error: fdo::Error) -> Failure {
    use fdo::Error as F;
    match error {
        F::AccessDenied(text) | F::AuthFailed(text) | F::InteractiveAuthorizationRequired(text) => {
            Failure::Final(Error::new(Exit::NotPermitted, plain(text)))
        }
        // systemd is off the bus while it re-executes.
        F::NoReply(text)
        | F::Disconnected(text)
        | F::ServiceUnknown(text)
        | F::NameHasNoOwner(text)
        | F::NoServer(text)
        | F::IOError(text) => Failure::Lost(text),
        F::Timeout(text) | F::TimedOut(text) => Failure::Final(Error::new(Exit::TimedOut, plain(text))),
        // An object path of a unit that is not loaded.
        F::UnknownObject(text) => Failure::NoSuchUnit(plain(text)),
        F::UnknownProperty(_) | F::UnknownInterface(_) => Failure::NoSuchProperty,
        F::ZBus(error) => error.into(),
        F::PropertyReadOnly(text) | F::InvalidArgs(text) | F::Failed(text) => {
            Failure::Final(Error::failed(plain(text)))
        }
        other => Failure::Final(Error::failed(other)),
    }
}

/// systemd's texts are sentences: ours go inside one.
fn plain(text: String) -> String {
    text.trim_end_matches('.').to_owned()
}
