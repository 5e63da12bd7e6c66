//! Standard output and standard error.

use std::fmt::Display;
use std::io::{self, Write as _};

use anyhow::Context as _;

/// Writes a line to standard error, with colours if it is a terminal with colours. Without a reader, or on a full disk,
/// the line is lost: the exit code tells the result.
pub fn say(line: impl Display) {
    drop(writeln!(anstream::stderr(), "{line}"));
}

/// Writes to standard output, with colours if it is a terminal with colours. A closed pipe is not an error, because a
/// reader such as `head` closes it.
///
/// # Errors
/// When the text cannot be written, for example on a full disk.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut output = anstream::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("standard output"),
    }
}
