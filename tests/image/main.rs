//! The store on real file systems. Pure ones run with `cargo test`, those of rung 1 with `make test`, as root.

mod compare;
mod copy;
mod decompress;
mod disk;
mod export;
mod fuzz;
mod gpt;
mod import;
mod lab;
mod layout;
mod listing;
mod oci;
mod raw;
mod remote;
mod shared;
