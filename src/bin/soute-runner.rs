//! The program that container units start: builds the sandbox and becomes the payload.

fn main() -> std::process::ExitCode {
    soute::sandbox::runner::main()
}
