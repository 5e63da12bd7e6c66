//! The command `session-affinity`.

use std::process::ExitCode;

use clap::Parser;
use cli::convert::{self, options::From};

/// The command-line tool beside the session-affinity filter.
#[derive(Parser)]
#[command(name = "session-affinity", version)]
enum Command {
    #[command(subcommand)]
    Convert(From),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Convert(From::Gke(options)) => convert::run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
