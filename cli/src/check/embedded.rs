//! Text inside YAML that is YAML or JSON itself: from places in the text to places in the file.

use std::ops::Range;

use crate::yaml::{Node, Value};

/// Where each byte of a text stands in the file.
#[derive(Debug)]
pub struct Mapping(Vec<usize>);

impl Mapping {
    /// The mapping of a scalar's text. `written` is the scalar in the file, of which only the start must be exact.
    pub fn new(text: &str, file: &str, written: &Range<usize>) -> Self {
        let raw = file.get(written.start..).unwrap_or_default();
        let quoted = raw.starts_with('"');
        // `|` or `>` ends the line; the text begins in the next one.
        let header = if raw.starts_with(['|', '>']) { raw.find('\n').map_or(0, |at| at + 1) } else { 0 };
        let mut offsets = Vec::with_capacity(text.len() + 1);
        let mut rest = header;
        for char in text.chars() {
            let at = position(char, raw, rest, quoted);
            offsets.extend(std::iter::repeat_n(written.start + at, char.len_utf8()));
            // What was passed over is indentation, a line break that was folded, or an escape.
            rest = raw.get(at..).and_then(|left| left.chars().next()).map_or(at, |found| {
                if found == char || found.is_whitespace() { at + found.len_utf8() } else { at }
            });
        }
        offsets.push(written.start + rest);
        Self(offsets)
    }

    /// The mapping of a text that the file does not show, such as what base64 stands for: all of it is the whole.
    pub fn whole(text: &str, written: &Range<usize>) -> Self {
        let mut offsets = vec![written.start; text.len() + 1];
        // The last byte of the text ends where the whole ends; one in between has no end of its own.
        if let Some(last) = offsets.last_mut() {
            *last = written.end;
        }
        Self(offsets)
    }

    /// The bytes of the file at which bytes of the text stand.
    pub fn map(&self, span: &Range<usize>) -> Range<usize> {
        let last = self.0.last().copied().unwrap_or_default();
        let start = self.0.get(span.start).copied().unwrap_or(last);
        if span.is_empty() {
            return start..start;
        }
        let end = self.0.get(span.end - 1).map_or(last, |end| end + 1);
        start..end.max(start)
    }

    /// Has a tree of the text say places in the file.
    pub fn apply(&self, node: &mut Node) {
        node.span = self.map(&node.span);
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Value::Map(fields) => {
                for (key, value) in fields {
                    key.span = self.map(&key.span);
                    self.apply(value);
                }
            }
            _ => {}
        }
    }
}

/// Where a character of the text stands in what was written, not before `from`.
fn position(char: char, raw: &str, from: usize, quoted: bool) -> usize {
    let mut escaped = false;
    for (offset, found) in raw.get(from..).unwrap_or_default().char_indices() {
        if found == char || (char.is_whitespace() && (found.is_whitespace() || escaped)) {
            return from + offset;
        }
        // The whole of an escape such as `\n` stands for one character.
        escaped = quoted && found == '\\';
    }
    from
}

/// The offset of a line and a column, both from 1, as JSON's errors say them. The column counts bytes.
pub fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}
