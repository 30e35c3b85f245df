//! The caller's side of a program's standard streams: what of them the container may have, and what is relayed.
//!
//! A descriptor of the caller's terminal never reaches a container: whoever holds one can type into it (TIOCSTI). Programs
//! get a [`pty`] of their own, or pipes; `relay` carries the bytes, the signals and the window size.

mod flow;
pub mod pty;
mod raw_mode;
mod relay;
mod signals;
mod streams;

pub use flow::Flow;
pub use raw_mode::RawMode;
pub use relay::{Relay, Session, ends};
pub use signals::Signals;
pub use streams::{Stdio, Streams, null, with_terminal};
