//! The binary: reads the command line, does what it says, exits with 0 or tells why not.

use clap::Parser;
use hydrant::cli::{self, Arguments};
use std::process::ExitCode;

/// Frontends allocate a lot and on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "a program says on stderr why it fails")]
fn main() -> ExitCode {
    match cli::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hydrant: {error}");
            ExitCode::FAILURE
        }
    }
}
