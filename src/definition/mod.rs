//! What the user wrote: found, merged in layers, read into types, and checked, all faults at once.

pub mod check;
pub mod declared;
mod decode;
pub mod directives;
pub mod fault;
pub mod group;
pub(crate) mod keys;
pub mod layers;
pub mod load;
pub mod merge;
pub mod model;
pub mod outline;
pub(crate) mod read;
mod relative;
pub mod replicas;
pub mod schema;
pub mod search;
pub mod show;
pub mod site;
pub mod source;
mod suggest;
pub mod tree;
pub mod types;
pub mod variables;
mod weakening;

pub use check::Host;
pub use declared::Declared;
pub use fault::{Fault, Faults, Severity};
pub use group::Group;
pub use load::{Failure, Loaded, load, load_flags, load_found};
pub use model::Definition;
pub use outline::Outline;
pub use site::Site;
pub use weakening::Weakening;

/// The version of the format that this soute writes, and the highest that it reads.
pub const SCHEMA: u32 = 1;
