//! Inside the unit: what the runner builds around the payload.
//!
//! [`start`] is the host's side and [`inside`] the container's, two processes that speak over a [`channel`]; both read top
//! to bottom. The runner has one thread, and never a D-Bus connection: it forks.

pub mod cgroup;
pub mod channel;
pub mod clean;
pub mod copy;
pub mod covers;
pub mod devices;
pub mod exec;
pub mod execute;
mod filter;
pub mod grow;
mod hosts;
pub mod inside;
mod join;
pub mod label;
pub mod mounts;
pub mod notify;
pub mod operations;
pub mod own_program;
pub mod privileges;
pub mod raw;
pub mod reaper;
pub mod rewrite;
pub mod root;
pub mod runner;
mod share;
pub mod secrets;
pub mod sources;
pub mod start;
pub mod stop;
pub mod tree;
pub mod user;
pub mod userns;
pub mod visit;
