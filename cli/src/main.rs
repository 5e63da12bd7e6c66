//! The command `session-affinity`.

use std::process::ExitCode;

use annotate_snippets::Renderer;
use clap::Parser as _;
use cli::command_line::{Check, Command, CommandLine, Format};
use cli::convert::options::ConvertCommand;
use cli::diagnostic::Level;
use cli::terminal::{print, say};
use cli::{check, convert, schema};

/// Wrong usage, or a file that cannot be read or written.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Check(arguments) => run_check(&arguments),
        Command::Convert(from) => {
            let ConvertCommand::Gke(options) = &*from;
            convert::run(options)
        }
        Command::Schema => print(&schema::text()).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        say(format!("error: {error:#}"));
        ExitCode::from(USAGE)
    })
}

fn run_check(arguments: &Check) -> anyhow::Result<ExitCode> {
    let findings = check::run(&arguments.files)?;
    let renderer = Renderer::styled();
    let mut text = String::new();
    for diagnostic in &findings.diagnostics {
        text += &match arguments.format {
            Format::Text => diagnostic.render(&renderer) + "\n\n",
            Format::Json => diagnostic.to_json()? + "\n",
        };
    }
    print(&text)?;
    let (errors, warnings) = (findings.count(Level::Error), findings.count(Level::Warning));
    if arguments.format == Format::Text {
        let filters = match findings.filters {
            0 => "no session-affinity filter".to_owned(),
            filters => counted(filters, "session-affinity filter"),
        };
        let files = counted(findings.files, "file");
        let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
        say(format!("{filters} in {files}: {errors}, {warnings}"));
    }
    Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
