//! Files that the tool reads, and places in them.

use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use anyhow::Context as _;

use crate::yaml::BYTE_ORDER_MARK;

/// The text of a file, and the name of the file in diagnostics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as it was given, or `standard input`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Reads a file; `-` is standard input. Leaves out a byte order mark.
    ///
    /// # Errors
    /// When the file cannot be read, or is not UTF-8.
    pub fn read(path: &Path) -> anyhow::Result<Arc<Self>> {
        let (name, text) = if path == Path::new("-") {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("standard input")?;
            ("standard input".to_owned(), text)
        } else {
            let name = path.display().to_string();
            let text = fs::read_to_string(path).with_context(|| name.clone())?;
            (name, text)
        };
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text).to_owned();
        Ok(Arc::new(Self { name, text }))
    }
}

/// The place of a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The range of bytes in the text. Empty at the end of the text if the exact place is not known.
    pub span: Range<usize>,
    /// The field, such as `services[0].routes[1]`. Empty for a whole document.
    pub field: String,
}

impl Place {
    /// No place: the message is about something that no file and no option has.
    #[must_use]
    pub fn nowhere() -> Self {
        let source = Source { name: String::new(), text: String::new() };
        Self { source: Arc::new(source), span: 0..0, field: String::new() }
    }

    /// Whether there is a file or an option.
    #[must_use]
    pub fn is_somewhere(&self) -> bool {
        !self.source.name.is_empty()
    }

    /// The file and the line, as in `envoy.yaml:7`.
    #[must_use]
    pub fn file_and_line(&self) -> String {
        format!("{}:{}", self.source.name, self.line_and_column().0)
    }

    /// The line and the column of the first byte. Both start at 1. The column counts characters.
    #[must_use]
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.span.start).unwrap_or(&self.source.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}
