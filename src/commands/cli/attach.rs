//! What `run` and `exec` have in common: whose exit status theirs is.

use std::process::ExitCode;

use crate::commands::report;
use crate::error::{Error, Exit, Result};

/// podman's status for a failure of its own.
pub const OWN_FAILURE: u8 = 125;

/// The program's status, or after a failure of ours 125, 126 or 127.
pub fn status(outcome: Result<i32>) -> ExitCode {
    match outcome {
        Ok(status) => ExitCode::from(u8::try_from(status & 0xff).unwrap_or(OWN_FAILURE)),
        Err(error) => {
            report(&error);
            ExitCode::from(own_status(&error))
        }
    }
}

fn own_status(error: &Error) -> u8 {
    match error.exit() {
        exit @ (Exit::CannotInvoke | Exit::CommandNotFound) => exit as u8,
        _ => OWN_FAILURE,
    }
}
