//! Names that each may stand once.

use std::collections::HashMap;

use fnv::FnvBuildHasher;

/// The indices of the first two equal names. One function for all lists: each copy would be 3 KiB of the module.
pub(crate) fn duplicate(names: &[&str]) -> Option<(usize, usize)> {
    let mut known: HashMap<&str, usize, FnvBuildHasher> = HashMap::default();
    names.iter().enumerate().find_map(|(index, name)| Some((known.insert(name, index)?, index)))
}
