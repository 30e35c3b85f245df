//! How systemd is told: transient units, jobs and properties over D-Bus. The one place with D-Bus.
//!
//! The functions block, on the calling thread and on no other.

mod bus;
mod ended;
mod escape;
mod failure;
mod follow;
mod header;
mod job;
mod journal;
mod machine;
mod manager;
mod outcome;
mod pipeline;
mod private;
mod runtime;
mod slice;
mod socket;
mod start;
mod status;
mod text;
mod value;
mod wait;
mod watch;

pub use ended::{Code, Ended};
pub use follow::{Change, Follow, News, Wake};
pub use job::Whom;
pub use machine::{Machine, machined_is_installed};
pub use manager::{Keep, Manager};
pub use socket::Socket;
pub use start::{Start, Started};
pub use status::{Properties, UnitStatus};
pub use text::unit_text;
