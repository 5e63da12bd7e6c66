//! Names that each may stand once.

use std::collections::BTreeMap;

/// The places of the first two equal names.
pub fn duplicate<'a, P: Copy>(names: impl IntoIterator<Item = (P, &'a str)>) -> Option<(P, P)> {
    let mut known = BTreeMap::new();
    names.into_iter().find_map(|(place, name)| Some((known.insert(name, place)?, place)))
}
