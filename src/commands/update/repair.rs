//! What an update or a rollback has left that was cut off: the next command for the container brings it to an end.

use std::time::Duration;

use super::definition;
use crate::definition::types::Name;
use crate::error::{Context, Exit, Result};
use crate::image::disk::switch::{self, Pair, Purpose};
use crate::image::lock::{Lock, UpdateLock};
use crate::settings::Host;

/// Before a start: ends an update that was cut off. One that goes on is waited for until the container is up.
pub fn come_to_rest(host: &Host, name: &Name, is_up: impl Fn() -> Result<bool>) -> Result<()> {
    let layout = &host.layout;
    while Lock::has_update(layout, name) || switch::is_under_way(layout, name) {
        match Lock::update(layout, name) {
            Ok(_held) => return repair(host, name),
            Err(error) if error.exit() != Exit::Busy => return Err(error),
            Err(_) if is_up()? => return Ok(()),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    Ok(())
}

/// Keeps others from the disks of a container, which are those of no update that was cut off.
pub fn hold(host: &Host, name: &Name) -> Result<UpdateLock> {
    let held = Lock::update(&host.layout, name)?;
    repair(host, name)?;
    Ok(held)
}

/// The caller holds the lock of updates. A disk that has come into use stays so: what is written is what will run, and the
/// other one is kept.
fn repair(host: &Host, name: &Name) -> Result<()> {
    let pair = Pair::of(&host.layout, name)?;
    let Some(cut) = pair.cut()? else { return Ok(()) };
    let action = || format!("cannot end what was cut off of an update of {name}");
    pair.carry_over().with_context(action)?;
    let [own, other] = pair.noted().with_context(action)?;
    definition::follow(own.as_ref(), other.as_ref()).with_context(action)?;
    let what = match cut.purpose {
        Purpose::Update => "an update",
        Purpose::Rollback => "a rollback",
    };
    let image = pair.in_use()?.map(|disk| disk.record.image).unwrap_or_default();
    match cut.switched {
        true => {
            pair.settle().with_context(action)?;
            eprintln!(
                "soute: {what} of {name} was cut off: its disk is a copy of {image} now, which nobody has seen working; \
                 `soute rollback {name}` goes back"
            );
        }
        false => {
            pair.give_up().with_context(action)?;
            eprintln!("soute: {what} of {name} was cut off: its disk still is a copy of {image}");
        }
    }
    Ok(())
}
