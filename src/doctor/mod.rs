//! The host: what it lacks for containers, and what a command has changed of it. Nothing here changes anything.
//!
//! [`read`] asks the host; [`judge`], a pure function, makes findings of the facts. [`prove`] holds the host's packet rules,
//! routes and sysctls after a command against those before it.

pub mod facts;
pub mod finding;
pub mod judge;
pub mod prove;
pub mod read;
