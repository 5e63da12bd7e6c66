//! The command `convert gke`: reads files, prints remarks, and writes the output.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use annotate_snippets::Renderer;
use anyhow::{Context as _, Result};

use super::options::{Options, To};
use super::remarks::Remarks;
use super::{EndpointFile, convert};
use crate::source::Source;

/// Runs `convert gke`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn run(options: &Options) -> Result<ExitCode> {
    if let Some(option) = options.misplaced() {
        let (to, other) =
            if options.to == To::Envoy { ("envoy", "kubernetes") } else { ("kubernetes", "envoy") };
        anstream::eprintln!("error: {option} is not allowed with --to {to}: use --to {other}");
        return Ok(ExitCode::from(2));
    }
    let sources = options.files.iter().map(|file| Source::read(file)).collect::<Result<Vec<_>>>()?;
    let mut remarks = Remarks::default();
    let output = convert(&sources, options, &mut remarks)?;
    remarks.print(&Renderer::styled());
    let Some(output) = output else {
        let errors = remarks.errors();
        let noun = if errors == 1 { "error" } else { "errors" };
        anstream::eprintln!("error: nothing is written: {errors} {noun}");
        return Ok(ExitCode::FAILURE);
    };
    for file in &output.files {
        write_file(file).with_context(|| file.path.display().to_string())?;
    }
    match io::stdout().write_all(output.text.as_bytes()) {
        // A reader such as `head` may close the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        result => result.context("standard output")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a file in one rename, because Envoy may be watching the directory.
fn write_file(file: &EndpointFile) -> io::Result<()> {
    let shown = file.path.display();
    if file.path.exists() && !file.replaces {
        eprintln!("note: {shown} exists and stays unchanged; to write it again, give --endpoints");
        return Ok(());
    }
    let directory = file.path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let readable = fs::Permissions::from_mode(0o644);
    let mut new = tempfile::Builder::new().permissions(readable).tempfile_in(directory)?;
    new.write_all(file.contents.as_bytes())?;
    new.persist(&file.path)?;
    if file.replaces {
        eprintln!("note: {shown} is written");
    } else {
        eprintln!(
            "warning: {shown} is written without an endpoint: Envoy answers 503 until the file has the addresses of \
             the pods; to write them, give --endpoints"
        );
    }
    Ok(())
}
