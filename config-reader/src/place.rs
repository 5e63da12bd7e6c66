//! Places in the document.

use std::fmt;

/// Everything below this field of the document is secret.
const SECRETS: &str = "keys";

/// A place, as one step from the place that it is in. Written like `services[0].sessionAffinity.cookie`.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    within: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Element(usize),
}

impl<'a> Place<'a> {
    /// The document as a whole.
    pub const ROOT: Place<'static> = Place { within: None, step: Step::Root };

    /// A field of the object here.
    #[must_use]
    pub const fn field(&'a self, name: &'a str) -> Self {
        Self { within: Some(self), step: Step::Field(name) }
    }

    /// An element of the list here.
    #[must_use]
    pub const fn element(&'a self, index: usize) -> Self {
        Self { within: Some(self), step: Step::Element(index) }
    }

    /// Whether what stands here must not be shown.
    pub(crate) fn is_secret(&self) -> bool {
        match (self.within, self.step) {
            (Some(Place { step: Step::Root, .. }), Step::Field(name)) => name == SECRETS,
            (Some(within), _) => within.is_secret(),
            (None, _) => false,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(within) = self.within else {
            return f.write_str("(root)");
        };
        let below_root = matches!(within.step, Step::Root);
        if !below_root {
            within.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) => {
                f.write_str(if below_root { "" } else { "." })?;
                f.write_str(name)
            }
            Step::Element(index) => write!(f, "[{index}]"),
        }
    }
}
