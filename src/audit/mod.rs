//! What a running container can do, by the kernel's own word, held against what its definition says.
//!
//! [`read`] asks /proc, the control groups, netlink and systemd, and never enters the container; [`expect`] makes of the
//! definition what there may be at most; [`judge`] compares the two, a pure function; [`show`] prints. Nothing here is shared
//! with [`sandbox`](crate::sandbox), which set the container up: a fault of its tables must not be repeated here.

pub mod expect;
pub mod facts;
mod finding;
pub mod judge;
pub mod read;
pub mod show;

pub use expect::Expected;
pub use facts::Facts;
pub use finding::{Finding, Verdict};
