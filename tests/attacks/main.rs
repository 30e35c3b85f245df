//! Attacks and faults, a test by the number of each (README.md is the list), on systemd 252 and on 257. What is confined is
//! asked of the kernel, by the probe (tests/probe) from inside or by scripts from outside.

#[path = "../lab/mod.rs"]
mod lab;

mod audit;
mod comparison;
mod definitions;
mod faults;
mod images;
mod inside;
mod neighbours;
mod oci;
mod oci_layers;
mod privileges;
mod list;
mod machine;
mod memory;
mod outside;
mod ports;
mod profile;
mod terminal;
mod trees;

/// How many rounds a race is run: few in `make test`, many with SOUTE_ATTACKS set.
fn rounds(few: usize, many: usize) -> usize {
    if std::env::var_os("SOUTE_ATTACKS").is_some() { many } else { few }
}
