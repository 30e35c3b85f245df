//! Trees of files that others wrote: reached by descriptors, copied, compared, measured and removed with everything in them.

pub mod access;
pub mod attributes;
pub mod content;
pub mod delete;
pub mod diff;
pub mod digest;
pub mod usage;
pub mod xattr;
