//! The command that users type.
fn main() {}
