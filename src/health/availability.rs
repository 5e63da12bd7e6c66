//! Which backends of a service take requests, according to the health table.

use std::rc::Rc;

use super::HealthPolicy;
use super::HealthTable;
use crate::balance::backends::BackendSet;
use crate::balance::{BackendId, Backends, Candidates};
use crate::session::Millis;

/// The available backends of a service at a certain time.
#[derive(Debug)]
pub(crate) struct Availability {
    /// Backends that get no requests. Empty in panic mode, when every backend is unavailable.
    unavailable: BackendSet,
    /// Backends whose latest responses were failures, and ejected backends.
    failing: BackendSet,
    /// The available backends, as candidates for new and moved sessions.
    candidates: Rc<Candidates>,
    /// When the next ejection ends. The availability must then be computed again.
    changes_at: Millis,
    /// Whether every backend is unavailable (panic mode). Requests then go to all backends.
    is_panic: bool,
}

impl Availability {
    /// Every backend is available.
    pub(crate) fn all_available(backends: &Backends) -> Self {
        Self {
            unavailable: BackendSet::default(),
            failing: BackendSet::default(),
            candidates: Rc::clone(backends.candidates()),
            changes_at: Millis::MAX,
            is_panic: false,
        }
    }

    /// The availability at the time `now`. `last` is the previous availability. Parts that have not changed are taken
    /// from `last`.
    pub(crate) fn new(table: &HealthTable, policy: &HealthPolicy, last: &Self, now: Millis) -> Self {
        let backends = policy.backends();
        let mut this = Self::all_available(backends);
        if table.is_empty() || backends.len() == 0 {
            return this;
        }
        let mut unavailable = BackendSet::default();
        for backend in backends.iter() {
            let entry = table.entry(policy, backend.id());
            if entry.is_unavailable(policy, now) {
                unavailable.insert(backend.id());
            }
            if entry.is_ejected(now) {
                this.changes_at = this.changes_at.min(entry.ejected_until);
            }
            if entry.is_failing() || entry.is_ejected(now) {
                this.failing.insert(backend.id());
            }
        }
        // If every backend is unavailable, all backends get requests, because a request must get some response.
        this.is_panic = unavailable.len() >= backends.len();
        if !this.is_panic {
            this.unavailable = unavailable;
        }
        if this.is_panic == last.is_panic && this.unavailable == last.unavailable {
            this.candidates = Rc::clone(&last.candidates);
        } else if this.is_panic {
            this.candidates = Rc::new(backends.candidates_in_panic());
        } else if !this.unavailable.is_empty() {
            this.candidates = Rc::new(backends.candidates_without(&this.unavailable));
        }
        this
    }

    /// Whether the backend takes requests.
    pub(crate) fn takes_requests(&self, backend: BackendId) -> bool {
        !self.unavailable.contains(&backend)
    }

    /// Whether the backend is unavailable, even if panic mode still routes to it.
    pub(crate) fn is_unavailable(&self, backend: BackendId) -> bool {
        self.is_panic || self.unavailable.contains(&backend)
    }

    /// Whether any backend is unavailable, even if panic mode still routes to it.
    pub(crate) fn has_unavailable(&self) -> bool {
        self.is_panic || !self.unavailable.is_empty()
    }

    /// Whether the backend failed recently, so that each of its responses is examined.
    pub(crate) fn is_failing(&self, backend: BackendId) -> bool {
        self.failing.contains(&backend)
    }

    /// The available backends, as candidates for new and moved sessions.
    pub(crate) fn candidates(&self) -> &Candidates {
        &self.candidates
    }

    /// When the availability changes without a new report.
    pub(crate) const fn changes_at(&self) -> Millis {
        self.changes_at
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::health::ResponseClass;
    use crate::health::table::CheckResult;
    use crate::health::testing::{SECOND, ServiceHealth, id};
    use crate::testing::{NOW, randoms, service};

    #[test]
    fn an_unavailable_backend_is_no_candidate_until_its_ejection_ends() {
        let mut health = ServiceHealth::new(3, &json!({}));
        health.eject(1);
        let availability = health.availability();
        assert!(!availability.takes_requests(id(1)) && availability.is_unavailable(id(1)));
        for random in randoms(100) {
            assert_ne!(availability.candidates().by_weight(random).unwrap().id(), id(1));
            assert_ne!(availability.candidates().by_hash(random).unwrap().id(), id(1));
        }
        assert_eq!(availability.changes_at(), NOW + 30 * SECOND);
        health.now = availability.changes_at();
        assert!(health.availability().takes_requests(id(1)));
    }

    #[test]
    fn if_every_backend_is_unavailable_all_of_them_take_requests() {
        let mut health = ServiceHealth::new(3, &json!({}));
        for index in 0..3 {
            health.eject(index);
        }
        let availability = health.availability();
        for index in 0..3 {
            assert!(availability.takes_requests(id(index)) && availability.is_unavailable(id(index)));
        }
        let chosen: BackendSet =
            randoms(100).map(|random| availability.candidates().by_weight(random).unwrap().id()).collect();
        assert_eq!(chosen.len(), 3);
    }

    #[test]
    fn if_every_backend_is_unavailable_backups_get_sessions_too() {
        let backup = json!({ "cluster": "app-2", "backup": true });
        let mut health = ServiceHealth::new(3, &json!({}));
        health.service = service(&json!({ "backends": ["app-0", "app-1", backup] }));
        for index in 0..3 {
            health.eject(index);
        }
        let availability = health.availability();
        let chosen: BackendSet =
            randoms(100).map(|random| availability.candidates().by_weight(random).unwrap().id()).collect();
        assert_eq!(chosen.len(), 3);
        let again = Availability::new(&health.table, &health.service.health, &availability, health.now);
        assert!(Rc::ptr_eq(&availability.candidates, &again.candidates));
        health.report(2, ResponseClass::Answered);
        assert_eq!(health.unavailable(), [0; 0], "the first answer ends all ejections");
    }

    #[test]
    fn a_backend_that_failed_recently_is_failing_and_still_available() {
        let mut health = ServiceHealth::with(4, json!({ "healthCheck": {} }));
        health.eject(0);
        health.report(1, ResponseClass::NotConnected);
        health.check(2, CheckResult::Fails);
        let availability = health.availability();
        assert_eq!([0, 1, 2, 3].map(|index| availability.is_failing(id(index))), [true, true, false, false]);
        assert_eq!(
            [0, 1, 2, 3].map(|index| availability.takes_requests(id(index))),
            [false, true, false, true]
        );
        health.report(1, ResponseClass::Answered);
        assert!(!health.availability().is_failing(id(1)));
    }

    #[test]
    fn candidates_are_computed_again_only_when_the_unavailable_backends_change() {
        let mut health = ServiceHealth::new(3, &json!({}));
        health.eject(1);
        let first = health.availability();
        let policy = &health.service.health;
        let second = Availability::new(&health.table, policy, &first, health.now + SECOND);
        assert!(Rc::ptr_eq(&first.candidates, &second.candidates));
        health.eject(2);
        let third = Availability::new(&health.table, &health.service.health, &second, health.now);
        assert!(!Rc::ptr_eq(&second.candidates, &third.candidates));
        assert_eq!(third.candidates().by_weight(1).unwrap().id(), id(0));
    }

    /// A service and a backend of another service may have the same name, and two services may share a cluster.
    #[test]
    fn an_ejection_counts_only_for_its_own_service() {
        let mut shop = ServiceHealth::with(2, json!({ "name": "shop" }));
        shop.eject(0);
        let mut blog = ServiceHealth::with(2, json!({ "name": "blog" }));
        blog.table = shop.table.clone();
        assert_eq!(shop.unavailable(), [0]);
        assert_eq!(blog.unavailable(), [0; 0]);
    }
}
