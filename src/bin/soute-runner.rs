//! Started by systemd in a container's unit.
fn main() {}
