//! What the user wrote: found, merged in layers, read into types, and checked, all faults at once.

pub mod model;
pub mod types;

pub use model::Definition;

/// The version of the format that this soute writes, and the highest that it reads.
pub const SCHEMA: u32 = 1;
