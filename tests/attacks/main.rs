//! Rung 2: attacks, a test by the name of each, on systemd 252 and on 257. What is confined is asked of the kernel, by the probe
//! (tests/probe) from inside or by scripts from outside.

#[path = "../lab/mod.rs"]
mod lab;

mod profile;
