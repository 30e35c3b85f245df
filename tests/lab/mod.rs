//! The lab: a real systemd, booted by the tests themselves. Nothing is mocked.
//!
//! Rung 2 is [`Lab`], systemd in namespaces over a /usr that is shown read-only: the host's own, or that of another Debian
//! release. Rung 3 is [`vm`], a virtual machine with Debian's kernel. Both have soute installed by `make install`. A rung that
//! cannot be had panics: tests that need one are `#[ignore]`d, and `make test` runs them with `--include-ignored`.
//! [`script`] is for tests that are sequences of commands, run on systemd 252 and 257.
//!
//! ```ignore
//! mod lab;
//! #[test]
//! #[ignore = "rung 2: nested systemd"]
//! fn starts() {
//!     let lab = lab::host();                       // shared by the tests of one file, booted once
//!     lab.ok("soute start web");                   // panics unless it exits 0; gives stdout
//!     assert_eq!(lab.run("soute start no").status, 4);
//! }
//! ```
#![allow(dead_code, unused_imports, reason = "every test file is a crate of its own and uses a part of the lab")]

mod boot;
mod command;
pub mod image;
mod inside;
pub mod probe;
pub mod script;
pub mod stage;
pub mod vm;

pub use boot::{Lab, host, trixie};
pub use command::Ran;
pub use inside::in_labs;

/// The top of the source tree.
pub fn source() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}
