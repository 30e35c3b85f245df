//! Rung 2: what differs between definitions and what runs, and what makes it the same again, on systemd 252 and on 257.

#[path = "../lab/mod.rs"]
mod lab;

mod apply;
mod credentials;
mod diff;
mod events;
mod fields;
mod groups;
mod grows;
mod pause;
mod ports;
mod set;
mod stats;
