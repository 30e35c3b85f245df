//! What stands between containers.

use std::collections::BTreeSet;

use crate::definition::fault::Fault;
use crate::definition::types::Name;

/// A fault and the containers that it keeps from starting.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Whose fault it is.
    pub names: BTreeSet<Name>,
    /// What it is.
    pub fault: Fault,
}
