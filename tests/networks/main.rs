//! Rung 2: networks, on systemd 252 and on 257. Each test is a script, in a lab that all of them share.

#[path = "../lab/mod.rs"]
mod lab;

mod activate;
mod addresses;
mod bridges;
mod dhcp;
mod doctor;
mod in_use;
mod farm;
mod links;
mod machined;
mod many;
mod names;
mod networkd;
mod prove;
mod publish;
mod scale;
mod shared;
mod soak;
