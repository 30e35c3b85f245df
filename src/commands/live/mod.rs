//! What diff, apply, set and verify share: what runs beside what is written, and what may change while it runs.

pub mod current;
pub mod next;
mod overrides;
pub mod parallel;
pub mod present_use;
pub mod site;
pub mod slices;
