//! The program: parses its command line and runs it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    pooldns::cli::run(pooldns::cli::Cli::parse())
}
