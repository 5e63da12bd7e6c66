//! What there is to say about manifests.

use std::sync::Arc;

use annotate_snippets::Renderer;

use crate::diagnostic::{Diagnostic, Level};
use crate::source::{Place, Source};

/// All remarks, in the order in which they were made. No remark comes twice.
#[derive(Debug, Default)]
pub struct Remarks(Vec<Diagnostic>);

impl Remarks {
    /// A mistake: what is wrong, and what to write. Nothing is converted.
    pub fn error(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.push(Level::Error, place, message.into(), Some(help.into()));
    }

    /// A setting that what is written does not have, and why.
    pub fn not_carried_over(&mut self, place: Place, why: impl Into<String>) {
        self.push(Level::Warning, place, format!("not carried over: {}", why.into()), None);
    }

    /// Something to know about what is written.
    pub fn note(&mut self, place: Place, message: impl Into<String>) {
        self.push(Level::Note, place, message.into(), None);
    }

    /// Whether this is said of a place in a file.
    #[must_use]
    pub fn has(&self, message: &str, file: &str) -> bool {
        self.0.iter().any(|remark| remark.message == message && remark.place.source.name == file)
    }

    /// The number of mistakes.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|remark| remark.level == Level::Error).count()
    }

    /// All remarks.
    #[must_use]
    pub fn all(&self) -> &[Diagnostic] {
        &self.0
    }

    /// Prints all remarks on standard error.
    pub fn print(&self, renderer: &Renderer) {
        for remark in &self.0 {
            anstream::eprintln!("{}\n", remark.render(renderer));
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
