//! Containers as plain systemd units.

fn main() -> std::process::ExitCode {
    soute::commands::main()
}
