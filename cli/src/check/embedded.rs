//! YAML or JSON text inside YAML: maps positions in the text to positions in the file.

use std::ops::Range;

use crate::yaml::Node;

/// The position in the file of each byte of a text.
#[derive(Debug)]
pub struct Mapping(Vec<usize>);

impl Mapping {
    /// The mapping of a scalar's text. `written` is the range of the scalar in the file. Only the start of the range
    /// must be exact.
    pub fn new(text: &str, file: &str, written: &Range<usize>) -> Self {
        let raw = file.get(written.start..).unwrap_or_default();
        let quoted = raw.starts_with('"');
        // After `|` or `>`, the text begins in the next line.
        let header = if raw.starts_with(['|', '>']) { raw.find('\n').map_or(0, |at| at + 1) } else { 0 };
        let mut offsets = Vec::with_capacity(text.len() + 1);
        let mut rest = header;
        for char in text.chars() {
            let at = position(char, raw, rest, quoted);
            offsets.extend(std::iter::repeat_n(written.start + at, char.len_utf8()));
            // The skipped bytes are indentation, a folded line break, or an escape.
            rest = raw.get(at..).and_then(|left| left.chars().next()).map_or(at, |found| {
                if found == char || found.is_whitespace() { at + found.len_utf8() } else { at }
            });
        }
        offsets.push(written.start + rest);
        Self(offsets)
    }

    /// The mapping of a text that is not literally in the file, such as decoded base64. Each byte maps to the whole
    /// scalar.
    pub fn whole(text: &str, written: &Range<usize>) -> Self {
        let mut offsets = vec![written.start; text.len() + 1];
        // The last byte of the text maps to the end of the scalar. The other bytes map to its start.
        if let Some(last) = offsets.last_mut() {
            *last = written.end;
        }
        Self(offsets)
    }

    /// The range in the file of a range in the text.
    pub fn map(&self, span: &Range<usize>) -> Range<usize> {
        let last = self.0.last().copied().unwrap_or_default();
        let start = self.0.get(span.start).copied().unwrap_or(last);
        if span.is_empty() {
            return start..start;
        }
        let end = self.0.get(span.end - 1).map_or(last, |end| end + 1);
        start..end.max(start)
    }

    /// Changes the positions of a tree from the text to the file.
    pub fn apply(&self, node: &mut Node) {
        node.map_ranges(&|range| self.map(range));
    }
}

/// The position of a character of the text in the raw scalar, at or after `from`.
fn position(char: char, raw: &str, from: usize, quoted: bool) -> usize {
    let mut escaped = false;
    for (offset, found) in raw.get(from..).unwrap_or_default().char_indices() {
        if found == char || (char.is_whitespace() && (found.is_whitespace() || escaped)) {
            return from + offset;
        }
        // A whole escape such as `\n` is one character of the text.
        escaped = quoted && found == '\\';
    }
    from
}

/// The offset of a line and a column of a JSON error. Both start at 1. The column counts bytes.
pub fn byte_offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}
