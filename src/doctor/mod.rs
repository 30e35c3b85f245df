//! The host: what it lacks for containers, and what a command has changed of it. Nothing here changes anything.
//!
//! [`prove`] holds the host's packet rules, routes and sysctls after a command against those before it.

pub mod prove;
