//! Slices of groups: there before the first container of the group is, with the limits as they are now.

use zbus::{OwnedObjectPath, Variant};

use super::failure::Failure;
use super::manager::Manager;
use super::value;
use crate::error::{Context, Result};
use crate::plan::Unit;

impl Manager {
    /// Makes the slice, or sets the properties of the one that there is.
    pub fn ensure_slice(&self, slice: &Unit) -> Result<()> {
        let properties = value::properties(&slice.properties);
        let made = self.run(async |bus| {
            let aux: Vec<(&str, Vec<(&str, Variant<'_>)>)> = vec![];
            let call = (slice.name.as_str(), "replace", &properties, aux);
            match bus.manager::<OwnedObjectPath>("StartTransientUnit", &call).await {
                Ok(_) => Ok(()),
                // A slice stays when its last service stops, and has no unit file that a limit could be written to.
                Err(Failure::UnitExists(_)) => {
                    bus.manager::<()>("SetUnitProperties", &(slice.name.as_str(), true, &properties)).await
                }
                Err(failure) => Err(failure),
            }
        });
        made.with_context(|| format!("cannot set up {}", slice.name))
    }
}
