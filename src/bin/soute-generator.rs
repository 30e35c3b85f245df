//! Run by systemd at boot and at daemon-reload.
fn main() {}
