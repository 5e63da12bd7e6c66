//! A diagnostic about a file, for people and for machines.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level as Title, Renderer, Snippet};
use serde::Serialize;

use crate::source::Place;

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Information.
    Note,
    /// It works, but perhaps not as intended.
    Warning,
    /// It does not work. The exit code is 1, and `convert` writes nothing.
    Error,
}

/// A message about one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The severity.
    pub level: Level,
    /// The place.
    pub place: Place,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// A diagnostic for `--format json`, one per line.
#[derive(Debug, Serialize)]
struct Record<'a> {
    level: Level,
    file: &'a str,
    line: usize,
    column: usize,
    field: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

impl Diagnostic {
    /// The message, the line with a marker below it if there is a place, and the help, in the style of rustc.
    #[must_use]
    pub fn render(&self, renderer: &Renderer) -> String {
        let title = match self.level {
            Level::Note => Title::NOTE,
            Level::Warning => Title::WARNING,
            Level::Error => Title::ERROR,
        };
        let mut group = Group::with_title(title.primary_title(&self.message));
        if self.place.is_somewhere() {
            group = group.element(self.snippet());
        }
        if let Some(help) = &self.help {
            group = group.element(Title::HELP.message(help));
        }
        renderer.render(&[group])
    }

    /// The line with a marker below it.
    fn snippet(&self) -> Snippet<'_, Annotation<'_>> {
        let Place { source, span, field } = &self.place;
        let label = (!field.is_empty()).then_some(field.as_str());
        // A marker over several lines would hide the text, so only the first line is marked.
        let marked = source.text.get(span.clone()).unwrap_or_default();
        let first_line = marked.lines().next().unwrap_or_default().len();
        let annotation = AnnotationKind::Primary.span(span.start..span.start + first_line).label(label);
        Snippet::source(&source.text).path(&source.name).annotation(annotation)
    }

    /// One line of JSON.
    ///
    /// # Errors
    /// Never: all fields are text and numbers.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let (line, column) = self.place.line_and_column();
        serde_json::to_string(&Record {
            level: self.level,
            file: &self.place.source.name,
            line,
            column,
            field: &self.place.field,
            message: &self.message,
            help: self.help.as_deref(),
        })
    }
}
