//! What is done with the disks of containers, on systemd 252 and 257.

#[path = "../lab/mod.rs"]
mod lab;

mod convert;
mod cp;
mod cut;
mod moving;
mod partition;
mod size;
mod snapshot;
