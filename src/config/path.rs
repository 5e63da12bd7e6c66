//! Places in the configuration.

use std::borrow::Cow;
use std::fmt;

use serde_path_to_error::Segment;

/// The place of a value, written like `services[0].sessionAffinity.cookie`. The default is the document as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<Step>);

/// One step down from an object or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To a field of the object.
    Field(Cow<'static, str>),
    /// To an element of the list.
    Element(usize),
}

impl From<&'static str> for Step {
    fn from(name: &'static str) -> Self {
        Self::Field(Cow::Borrowed(name))
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Element(index)
    }
}

impl FieldPath {
    /// The place of a field or an element here.
    #[must_use]
    pub fn then(mut self, step: impl Into<Step>) -> Self {
        self.0.push(step.into());
        self
    }

    /// The same place as seen from one level further up, where `step` leads down.
    #[must_use]
    pub fn within(mut self, step: impl Into<Step>) -> Self {
        self.0.insert(0, step.into());
        self
    }

    /// The place that `path` leads to from here.
    #[must_use]
    pub fn join(mut self, path: Self) -> Self {
        self.0.extend(path.0);
        self
    }

    /// The place of the object that has this field, and the field's name.
    pub fn split_field(mut self) -> Option<(Self, String)> {
        match self.0.pop()? {
            Step::Field(name) => Some((self, name.into_owned())),
            Step::Element(_) => None,
        }
    }

    /// From the document downwards.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether values here are secret.
    pub fn is_below_keys(&self) -> bool {
        matches!(self.0.first(), Some(Step::Field(name)) if name == "keys")
    }
}

impl From<&serde_path_to_error::Path> for FieldPath {
    fn from(path: &serde_path_to_error::Path) -> Self {
        let step = |segment: &Segment| match segment {
            Segment::Seq { index } => Some(Step::Element(*index)),
            Segment::Map { key } => Some(Step::Field(Cow::Owned(key.clone()))),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        Self(path.iter().filter_map(step).collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(root)");
        }
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Element(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
