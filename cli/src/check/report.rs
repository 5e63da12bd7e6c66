//! What `check` has found.

use super::file::At;
use crate::diagnostic::{Diagnostic, Level};
use crate::source::Place;

/// Diagnostics, each once.
#[derive(Debug, Default)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Adds a diagnostic that is not there yet.
    pub fn add(&mut self, level: Level, place: Place, message: impl Into<String>, help: impl Into<String>) {
        let (message, help) = (message.into(), Some(help.into()));
        let is_known = |known: &Diagnostic| {
            known.message == message
                && known.place.span == place.span
                && known.place.source.name == place.source.name
        };
        if !self.diagnostics.iter().any(is_known) {
            self.diagnostics.push(Diagnostic { level, place, message, help });
        }
    }

    /// Something that does not work.
    pub fn error(&mut self, at: At<'_>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Level::Error, at.place(), message, help);
    }

    /// Something that works, but not as its author may think.
    pub fn warning(&mut self, at: At<'_>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Level::Warning, at.place(), message, help);
    }

    /// Adds a diagnostic that was made elsewhere.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The diagnostics in the order of the files and the places in them.
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
