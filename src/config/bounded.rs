//! Integers with a minimum and a maximum.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// An integer from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bounded<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    /// The integer `N`. A value of `N` outside the range does not compile.
    pub(crate) const fn of<const N: u32>() -> Self {
        const { assert!(MIN <= N && N <= MAX, "within the range") };
        Self(N)
    }

    /// The plain number.
    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    fn new(number: i64) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| (MIN..=MAX).contains(number)).map(Self)
    }
}

impl<const MAX: u32> Default for Bounded<0, MAX> {
    fn default() -> Self {
        Self(0)
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u32(BoundedVisitor)
    }
}

struct BoundedVisitor<const MIN: u32, const MAX: u32>;

impl<const MIN: u32, const MAX: u32> Visitor<'_> for BoundedVisitor<MIN, MAX> {
    type Value = Bounded<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer from {MIN} to {MAX}")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Bounded::new(number).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    /// All numbers of a Struct are floating-point numbers, so `50.0` counts as the integer 50.
    #[expect(clippy::cast_possible_truncation, reason = "the cast of a whole number saturates")]
    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        let whole = (number.fract() == 0.0).then_some(number as i64);
        let bounded = whole.and_then(Bounded::new);
        bounded.ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}
