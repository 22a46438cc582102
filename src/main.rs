//! The binary: reads the command line and runs the command.

use std::process::ExitCode;

use clap::Parser;
use shamisen::{cli, config::Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("shamisen: {error:#}.");
            ExitCode::FAILURE
        }
    }
}
