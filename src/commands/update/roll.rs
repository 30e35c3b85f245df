//! The replicas of a definition, one after the other: each works before the next one is stopped.

use super::definition::{self, Edit};
use super::one::{Outcome, Updater};
use super::{repair, tell};
use crate::commands::report;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::disk::switch::Pair;

/// Updates all, or none: at the first that does not work those before it go back too.
pub fn update(updater: &Updater<'_>, of: &Name, replicas: &[Name], edit: Option<&Edit>) -> Result<()> {
    // Of two at once the second one would meet the first in the middle.
    let _held = repair::hold(updater.host, of)?;
    let mut done = Vec::new();
    for replica in replicas {
        match updater.update(replica, edit) {
            Ok(outcome) => {
                tell(replica, outcome);
                done.extend(matches!(outcome, Outcome::Prepared | Outcome::Updated).then_some(replica));
            }
            Err(error) => {
                let error = Err(error).with_context(|| replica.to_string());
                undo(updater, &done);
                let after = edit.map(|edit| &edit.after);
                definition::follow(edit.map(|edit| &edit.before), after).unwrap_or_else(|error| report(&error));
                return error;
            }
        }
    }
    edit.map_or(Ok(()), Edit::write)
}

/// What they were updated to is kept for nobody.
fn undo(updater: &Updater<'_>, done: &[&Name]) {
    for replica in done.iter().rev() {
        let back = updater.back(replica, true, true).and_then(|_| Pair::of(&updater.host.layout, replica)?.prune());
        match back.with_context(|| format!("cannot roll {replica} back")) {
            Ok(()) => eprintln!("{replica}: back on the old disk"),
            Err(error) => report(&error),
        }
    }
}

/// Takes the last update back, of all that have one.
pub fn back(updater: &Updater<'_>, of: &Name, replicas: &[Name]) -> Result<bool> {
    let _held = repair::hold(updater.host, of)?;
    let mut any = false;
    for replica in replicas {
        match updater.back(replica, true, true).with_context(|| replica.to_string())? {
            true => any = true,
            false => eprintln!("{replica}: no disk is kept of before an update"),
        }
    }
    match any {
        true => Ok(true),
        false => Err(Error::new(Exit::NotFound, "none of its replicas has a disk of before an update")),
    }
}
