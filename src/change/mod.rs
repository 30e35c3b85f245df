//! What stands between a container that runs and its definition: a list of changes, each with what it costs.
//!
//! Pure: what runs is the snapshot of the start, what would run is the definition as it is now, and what somebody else has
//! done is compared with the snapshot. Reading and applying is for those who call.

mod adopt;
mod class;
mod compare;
mod drift;
mod fields;
mod held;
mod wires;

pub use adopt::{adopt_definition, adopt_plan, properties};
pub use class::{CLASSES, Class};
pub use compare::{Definitions, Plans, compare};
pub use drift::{HostLinks, KEYS, asked, of_links, of_properties, of_slice, told};
pub use fields::origin;
pub use held::{of_held, of_limits, of_size};

use serde::Serialize;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The key of soute.toml(5), of an entry of a list with what it is recognized by: `network.eth0.address`.
    pub field: String,
    /// What it costs.
    pub class: Class,
    /// What runs.
    pub old: Option<String>,
    /// What the definition says, or for a drift what is found.
    pub new: Option<String>,
    /// Where the new value comes from.
    pub from: Option<String>,
}
