//! The binary: takes the role that its name says, or reads the command line and does what it says;
//! exits with 0 or tells why not.

use clap::Parser;
use hydrant::cli::{self, Arguments, CommandError};
use hydrant::roles::Role;
use std::process::ExitCode;

/// Frontends allocate a lot and on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hydrant::descriptors::take_all();
    let program = std::env::args_os().next();
    let outcome = match program.as_deref().and_then(Role::of_program) {
        // Upstream's executables have no arguments.
        Some(role) => cli::take(role),
        None => cli::run(Arguments::parse()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            match error {
                CommandError::Role(fatal) => ExitCode::from(fatal.code()),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program says on stderr why it fails")]
fn tell(error: &CommandError) {
    match error {
        CommandError::Role(fatal) => fatal.tell(),
        error => eprintln!("hydrant: {error}"),
    }
}
