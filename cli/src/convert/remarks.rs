//! Remarks about manifests.

use std::sync::Arc;

use annotate_snippets::Renderer;

use crate::diagnostic::{Diagnostic, Level};
use crate::source::{Place, Source};
use crate::terminal::say;

/// All remarks in order, each once.
#[derive(Debug, Default)]
pub struct Remarks(Vec<Diagnostic>);

impl Remarks {
    /// Adds an error: what is wrong, and what to write. Nothing is converted.
    pub fn error(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.push(Level::Error, place, message.into(), Some(help.into()));
    }

    /// Adds a warning: a setting is not converted, and why.
    pub fn not_carried_over(&mut self, place: Place, why: impl Into<String>) {
        self.push(Level::Warning, place, format!("not carried over: {}", why.into()), None);
    }

    /// Adds a warning: what may not work as intended, and what to write.
    pub fn warning(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.push(Level::Warning, place, message.into(), Some(help.into()));
    }

    /// Adds a note about the output.
    pub fn note(&mut self, place: Place, message: impl Into<String>) {
        self.push(Level::Note, place, message.into(), None);
    }

    /// Whether there is a remark with this message about this file.
    #[must_use]
    pub fn has(&self, message: &str, file: &str) -> bool {
        self.0.iter().any(|remark| remark.message == message && remark.place.source.name == file)
    }

    /// The number of errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|remark| remark.level == Level::Error).count()
    }

    /// All remarks.
    #[must_use]
    pub fn all(&self) -> &[Diagnostic] {
        &self.0
    }

    /// Prints all remarks on standard error: notes first and errors last, where a reader sees them.
    pub fn print(&self, renderer: &Renderer) {
        let mut remarks: Vec<&Diagnostic> = self.0.iter().collect();
        remarks.sort_by_key(|remark| remark.level);
        for remark in remarks {
            say(remark.render(renderer) + "\n");
        }
    }

    fn push(&mut self, level: Level, place: Place, message: String, help: Option<String>) {
        let remark = Diagnostic { level, place, message, help };
        if !self.0.contains(&remark) {
            self.0.push(remark);
        }
    }
}

/// The place of an argument of the command line, such as `--endpoints`.
#[must_use]
pub fn argument(name: &str, value: &str) -> Place {
    let source = Source { name: name.to_owned(), text: value.to_owned() };
    Place { span: 0..value.len(), source: Arc::new(source), field: String::new() }
}

/// What to write, if these are the possible texts.
#[must_use]
pub fn one_of(texts: &[String]) -> String {
    match texts {
        [only] => format!("write {only}"),
        texts => format!("write one of {}", texts.join(", ")),
    }
}
