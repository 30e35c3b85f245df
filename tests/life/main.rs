//! Rung 2: the life of containers, on systemd 252 and on 257. Each test is a script, in a lab that all of them share.

#[path = "../lab/mod.rs"]
mod lab;

mod boots;
mod databases;
mod groups;
mod health;
mod instances;
mod layers;
mod limits;
mod logs;
mod many;
mod network;
mod order;
mod payload;
mod polkit;
mod private;
mod pulled;
mod ready;
mod registry;
mod remote;
mod restart;
mod seccomp;
mod shared;
mod stop;
mod systemctl;
mod users;
mod watchdog;
