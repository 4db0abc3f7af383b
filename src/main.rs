//! The `cloakroom` command: an exit code, and the allocator it runs with.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cloakroom::cli::run()
}
