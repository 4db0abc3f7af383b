//! The `cloakroom` command: an exit code and nothing else.

fn main() -> std::process::ExitCode {
    cloakroom::cli::run()
}
