//! Texts that follow a rule.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A rule for texts.
pub(crate) trait Rule {
    /// The allowed texts, in the words of the error message.
    const ALLOWED: &'static str;

    /// A regular expression (ECMA-262) for the allowed texts, as exact as a regular expression can be.
    #[cfg(feature = "schema")]
    const PATTERN: &'static str;

    /// Whether the rule allows the text.
    fn allows(text: &str) -> bool;
}

/// A text that the rule `R` allows.
pub(crate) struct Text<R> {
    text: String,
    rule: PhantomData<R>,
}

impl<R> Text<R> {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The text.
    pub(crate) fn into_string(self) -> String {
        self.text
    }
}

impl<R> fmt::Debug for Text<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl<'de, R: Rule> Deserialize<'de> for Text<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

struct TextVisitor<R>(PhantomData<R>);

impl<R: Rule> Visitor<'_> for TextVisitor<R> {
    type Value = Text<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(R::ALLOWED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<R>, E> {
        if R::allows(text) {
            return Ok(Text { text: text.to_owned(), rule: PhantomData });
        }
        Err(E::invalid_value(Unexpected::Str(text), &self))
    }
}
