//! What there is to say about manifests: mistakes, and what has no equal in Envoy.

use std::fmt::{self, Write as _};
use std::sync::Arc;

/// A place in a manifest, or an argument of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: Arc<str>,
    line: Option<u64>,
    field: String,
}

impl Place {
    /// A field of a manifest, written like `spec.rules[0].host`; empty for a document as a whole.
    #[must_use]
    pub fn new(file: &Arc<str>, line: impl Into<Option<u64>>, field: impl Into<String>) -> Self {
        Self { file: Arc::clone(file), line: line.into(), field: field.into() }
    }

    /// An argument of the command line, such as `--endpoints`.
    #[must_use]
    pub fn argument(name: &str) -> Self {
        Self { file: name.into(), line: None, field: String::new() }
    }

    /// Another field of the same line.
    #[must_use]
    pub fn field(&self, field: impl Into<String>) -> Self {
        Self { field: field.into(), ..self.clone() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        Ok(())
    }
}

/// How much a remark matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing is written.
    Error,
    /// A setting that the configuration written does not have.
    NotCarriedOver,
    /// Something to know about what is written.
    Note,
}

/// One remark on one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// How much it matters.
    pub level: Level,
    /// What it is about.
    pub place: Place,
    /// What is wrong, what is allowed and what was given; or why there is no equal.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::NotCarriedOver => "not carried over",
            Level::Note => "note",
        };
        // One line on a terminal, whatever a manifest holds.
        let line = format!("{}: {level}: {}", self.place, self.text);
        line.chars().try_for_each(|character| {
            if character.is_control() {
                write!(f, "{}", character.escape_default())
            } else {
                f.write_char(character)
            }
        })
    }
}

/// All remarks, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Report {
    remarks: Vec<Remark>,
}

impl Report {
    /// A mistake: what is wrong there.
    pub fn error(&mut self, place: &Place, text: impl Into<String>) {
        self.push(Level::Error, place, text.into());
    }

    /// A value that is not what is allowed.
    pub fn mistake(&mut self, place: &Place, wrong: &str, allowed: &str, given: impl fmt::Display) {
        self.error(place, format!("{wrong}; allowed: {allowed}; given: {given}"));
    }

    /// A setting that has no equal, and why.
    pub fn not_carried_over(&mut self, place: &Place, why: impl Into<String>) {
        self.push(Level::NotCarriedOver, place, why.into());
    }

    /// Something to know.
    pub fn note(&mut self, place: &Place, text: impl Into<String>) {
        self.push(Level::Note, place, text.into());
    }

    /// Takes over remarks that were kept back until it was clear that they matter.
    pub fn add(&mut self, remarks: &[Remark]) {
        self.remarks.extend_from_slice(remarks);
    }

    /// All remarks.
    #[must_use]
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// The number of mistakes.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.remarks.iter().filter(|remark| remark.level == Level::Error).count()
    }

    fn push(&mut self, level: Level, place: &Place, text: String) {
        let remark = Remark { level, place: place.clone(), text };
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }
}
