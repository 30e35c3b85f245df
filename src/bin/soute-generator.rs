//! Run by systemd at boot and at daemon-reload.

fn main() -> std::process::ExitCode {
    soute::generator::main()
}
