//! Rung 2: `soute audit`, on systemd 252 and on 257: what is as declared passes, and what is not is found, whoever did it.

#[path = "../lab/mod.rs"]
mod lab;

mod declared;
mod undeclared;
