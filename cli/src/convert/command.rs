//! The command `convert gke`: reads files, prints remarks, and writes the output.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use annotate_snippets::Renderer;
use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

use super::options::{Options, To};
use super::remarks::Remarks;
use super::{EndpointFile, convert};
use crate::source::Source;
use crate::terminal::{print, say};

/// Runs `convert gke`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn run(options: &Options) -> Result<ExitCode> {
    if let Some(option) = options.misplaced() {
        let (to, other) =
            if options.to == To::Envoy { ("envoy", "kubernetes") } else { ("kubernetes", "envoy") };
        say(format!("error: {option} is not allowed with --to {to}: use --to {other}"));
        return Ok(ExitCode::from(2));
    }
    let sources = options.files.iter().map(|file| Source::read(file)).collect::<Result<Vec<_>>>()?;
    let mut remarks = Remarks::default();
    let output = convert(&sources, options, &mut remarks)?;
    remarks.print(&Renderer::styled());
    let Some(output) = output else {
        let errors = remarks.errors();
        let noun = if errors == 1 { "error" } else { "errors" };
        say(format!("error: nothing is written: {errors} {noun}"));
        return Ok(ExitCode::FAILURE);
    };
    // No file changes before the whole output is written.
    let prepared = output.files.iter().map(Prepared::new).collect::<Result<Vec<_>>>()?;
    print(&output.text)?;
    let notes = prepared.into_iter().map(Prepared::write).collect::<Result<Vec<_>>>()?;
    notes.into_iter().for_each(say);
    Ok(ExitCode::SUCCESS)
}

/// A file of endpoints, ready to be renamed. The rename is one step, because Envoy may be watching the directory.
struct Prepared<'a> {
    file: &'a EndpointFile,
    /// The contents beside the file. `None` if the file stays unchanged.
    new: Option<NamedTempFile>,
}

impl<'a> Prepared<'a> {
    fn new(file: &'a EndpointFile) -> Result<Self> {
        let new = Self::beside(file).with_context(|| file.path.display().to_string())?;
        Ok(Self { file, new })
    }

    fn beside(file: &EndpointFile) -> io::Result<Option<NamedTempFile>> {
        if file.path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if file.path.is_file() && !file.replaces {
            return Ok(None);
        }
        let directory = file.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let readable = fs::Permissions::from_mode(0o644);
        let mut new = tempfile::Builder::new().permissions(readable).tempfile_in(directory)?;
        new.write_all(file.contents.as_bytes())?;
        Ok(Some(new))
    }

    /// Puts the file into its place. Returns the note about it.
    fn write(self) -> Result<String> {
        let path = &self.file.path;
        let shown = path.display();
        let Some(new) = self.new else {
            return Ok(format!(
                "note: {shown} exists and stays unchanged; to write it again, give --endpoints"
            ));
        };
        new.persist(path).with_context(|| shown.to_string())?;
        if self.file.replaces {
            return Ok(format!("note: {shown} is written"));
        }
        Ok(format!(
            "warning: {shown} is written without an endpoint: Envoy answers 503 until the file has the addresses of the \
             pods; to write them, give --endpoints"
        ))
    }
}
