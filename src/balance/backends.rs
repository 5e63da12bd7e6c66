//! The backends of a service, as configured.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use fnv::FnvBuildHasher;

use super::{Backend, BackendId, Candidates};

/// A set of backends.
pub(crate) type BackendSet = HashSet<BackendId, FnvBuildHasher>;

/// All backends of a service. The order in the configuration has no effect.
#[derive(Debug)]
pub(crate) struct Backends {
    all: Vec<Rc<Backend>>,
    by_id: HashMap<BackendId, Rc<Backend>, FnvBuildHasher>,
    candidates: Rc<Candidates>,
}

impl Backends {
    /// Each backend must have a different cluster.
    pub(crate) fn new(backends: impl IntoIterator<Item = Backend>) -> Self {
        let all: Vec<_> = backends.into_iter().map(Rc::new).collect();
        Self {
            by_id: all.iter().map(|backend| (backend.id(), Rc::clone(backend))).collect(),
            candidates: Rc::new(Candidates::new(all.iter())),
            all,
        }
    }

    /// The backend with this id, if the configuration has it. Draining backends are found too.
    pub(crate) fn get(&self, id: BackendId) -> Option<&Rc<Backend>> {
        self.by_id.get(&id)
    }

    /// Every backend.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Rc<Backend>> {
        self.all.iter()
    }

    /// How many backends there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Every backend, as candidates for new sessions.
    pub(crate) fn candidates(&self) -> &Rc<Candidates> {
        &self.candidates
    }

    /// The backends that are not in `unavailable`, as candidates for new sessions.
    pub(crate) fn candidates_without(&self, unavailable: &BackendSet) -> Candidates {
        Candidates::new(self.all.iter().filter(|backend| !unavailable.contains(&backend.id())))
    }

    /// The candidates while every backend is unavailable.
    pub(crate) fn candidates_in_panic(&self) -> Candidates {
        Candidates::in_panic(self.all.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends(weights: &[(&str, u32)]) -> Backends {
        Backends::new(
            weights.iter().map(|(cluster, weight)| Backend::new((*cluster).to_owned(), *weight, false)),
        )
    }

    #[test]
    fn a_draining_backend_is_found_by_its_id() {
        let backends = backends(&[("draining", 0), ("a", 1)]);
        assert_eq!(backends.get(BackendId::of("draining")).unwrap().cluster(), "draining");
    }

    #[test]
    fn a_backend_that_is_not_configured_is_not_found() {
        let backends = backends(&[("a", 1)]);
        assert_eq!(backends.get(BackendId::of("b")), None);
        assert_eq!(backends.get(BackendId::from_bits(0)), None);
    }

    #[test]
    fn each_of_ten_thousand_backends_is_found_by_its_id() {
        let names = (0..10_000).map(|index| format!("neg-{index}"));
        let backends = Backends::new(names.clone().map(|name| Backend::new(name, 1, false)));
        assert_eq!(backends.len(), 10_000);
        for name in names {
            assert_eq!(backends.get(BackendId::of(&name)).unwrap().cluster(), name);
        }
    }

    #[test]
    fn unavailable_backends_are_no_candidates() {
        let backends = backends(&[("a", 1), ("b", 1)]);
        let unavailable = BackendSet::from_iter([BackendId::of("a")]);
        let candidates = backends.candidates_without(&unavailable);
        for random in crate::testing::randoms(100) {
            assert_eq!(candidates.by_weight(random).unwrap().cluster(), "b");
            assert_eq!(candidates.by_hash(random).unwrap().cluster(), "b");
        }
    }
}
