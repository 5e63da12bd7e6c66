//! Lists in which each name may appear only once.

use std::collections::HashMap;

use fnv::FnvBuildHasher;

/// The indices of the first two equal names. All lists share one function, because each copy would add 3 KiB to the
/// module.
pub(crate) fn duplicate(names: &[&str]) -> Option<(usize, usize)> {
    let mut known: HashMap<&str, usize, FnvBuildHasher> = HashMap::default();
    names.iter().enumerate().find_map(|(index, name)| Some((known.insert(name, index)?, index)))
}
