//! The `cloakroom` command: an exit code and nothing else.

fn main() {}
