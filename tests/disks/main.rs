//! What is done with the disks of containers, on systemd 252 and 257.

#[path = "../lab/mod.rs"]
mod lab;

mod busy;
mod cache;
mod convert;
mod cp;
mod cut;
mod first;
mod moving;
mod partition;
mod short;
mod size;
mod snapshot;
