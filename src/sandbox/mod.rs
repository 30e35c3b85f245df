//! Inside the unit: what the runner builds around the payload.

pub mod channel;
pub mod mounts;
pub mod notify;
pub mod operations;
pub mod privileges;
pub mod raw;
pub mod root;
pub mod sources;
pub mod tree;
pub mod user;
