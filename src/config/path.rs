//! Paths to values in the configuration.

use std::borrow::Cow;
use std::fmt;

/// The path to a value, such as `services[0].sessionAffinity.cookie`. The default is the path of the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldPath(Vec<Step>);

/// One step down from an object or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
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
    /// The path of a field or an element of the value at this path.
    pub(crate) fn then(mut self, step: impl Into<Step>) -> Self {
        self.0.push(step.into());
        self
    }

    /// Puts `step` in front of the path.
    pub(crate) fn put_within(&mut self, step: Step) {
        self.0.insert(0, step);
    }

    /// The path of the object that has this field, and the field's name.
    pub(crate) fn split_field(mut self) -> Option<(Self, String)> {
        match self.0.pop()? {
            Step::Field(name) => Some((self, name.into_owned())),
            Step::Element(_) => None,
        }
    }

    /// The steps, from the document downwards.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether values at this path are secret.
    pub(crate) fn is_below_keys(&self) -> bool {
        matches!(self.0.first(), Some(Step::Field(name)) if name == "keys")
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
