//! Entry point: run, then leave with its exit code after everything was closed.

fn main() -> std::process::ExitCode {
    fancyhwd::run::run().into()
}
