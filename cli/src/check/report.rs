//! The diagnostics of `check`.

use super::file::At;
use crate::diagnostic::{Diagnostic, Level};
use crate::source::Place;

/// The comment with which an author accepts a warning, on the line of the warning or directly above.
const ACCEPTED: &str = "# check: accepted";

/// Diagnostics, each once.
#[derive(Debug, Default)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Adds a diagnostic, unless the report already has it. Leaves out a warning that the author of the file has
    /// accepted.
    pub fn add(&mut self, level: Level, place: Place, message: impl Into<String>, help: impl Into<String>) {
        let (message, help) = (message.into(), Some(help.into()));
        let is_known = |known: &Diagnostic| {
            known.message == message
                && known.place.span == place.span
                && known.place.source.name == place.source.name
        };
        let is_accepted = level == Level::Warning && is_accepted(&place);
        if !is_accepted && !self.diagnostics.iter().any(is_known) {
            self.diagnostics.push(Diagnostic { level, place, message, help });
        }
    }

    /// Adds an error: something does not work.
    pub fn error(&mut self, at: At<'_>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Level::Error, at.place(), message, help);
    }

    /// Adds a warning: something works, but perhaps not as intended.
    pub fn warning(&mut self, at: At<'_>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Level::Warning, at.place(), message, help);
    }

    /// Adds a diagnostic that was made elsewhere.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Whether there is neither an error nor a warning.
    pub fn is_clean(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.level < Level::Warning)
    }

    /// The diagnostics in the order of the files, and of the positions in each file.
    pub fn into_diagnostics(self, files: &[&str]) -> Vec<Diagnostic> {
        let mut diagnostics = self.diagnostics;
        let rank = |place: &Place| {
            let file = files.iter().position(|name| *name == place.source.name);
            (file.unwrap_or(files.len()), place.span.start)
        };
        diagnostics.sort_by_key(|diagnostic| rank(&diagnostic.place));
        diagnostics
    }
}

/// Whether a comment on the line of the place, or directly above, accepts a warning.
fn is_accepted(place: &Place) -> bool {
    let text = &place.source.text;
    let start = text.get(..place.span.start).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let (before, rest) = text.split_at(start);
    let line = rest.lines().next().unwrap_or_default();
    let mut above = before.lines().rev().take_while(|line| line.trim_start().starts_with('#'));
    line.contains(ACCEPTED) || above.any(|line| line.contains(ACCEPTED))
}
