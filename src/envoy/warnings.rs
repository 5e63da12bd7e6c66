//! Warnings that are logged once for all workers.

use std::cell::Cell;

use super::host;

/// A worker checks the cluster of this many new sessions, then of one in [`CHECK_EVERY`]: each check costs a host call.
const CHECKED_FIRST: u32 = 32;
const CHECK_EVERY: u32 = 64;

/// The warnings about one service.
#[derive(Debug)]
pub(super) struct Warnings {
    /// The service's route does not take its cluster from our header.
    pub(super) cluster: Warning,
    /// The route of a request changed after the filter.
    pub(super) route: Warning,
    /// No filter tells and honours endpoints.
    pub(super) endpoint: Warning,
    /// A session moved to another endpoint although `onUnavailable` is REJECT.
    pub(super) strict: Warning,
    /// The application sets a cookie or header of our name.
    pub(super) overwritten: Warning,
    new_sessions: Cell<u32>,
}

impl Warnings {
    /// The warnings about the service of this name.
    pub(super) fn new(service: &str) -> Self {
        let warning = |what: &str| Warning::new(&format!("{what}-warning/{service}"));
        Self {
            cluster: warning("cluster"),
            route: warning("route"),
            endpoint: warning("endpoint"),
            strict: warning("strict"),
            overwritten: warning("overwritten"),
            new_sessions: Cell::new(0),
        }
    }

    /// Allows each warning to be logged again.
    pub(super) fn reset(&self) {
        let Self { cluster, route, endpoint, strict, overwritten, .. } = self;
        [cluster, route, endpoint, strict, overwritten].into_iter().for_each(Warning::reset);
    }

    /// Whether to check the cluster of one more new session.
    pub(super) fn should_check_cluster(&self) -> bool {
        let session = self.new_sessions.get();
        self.new_sessions.set(session.wrapping_add(1));
        session < CHECKED_FIRST || session.is_multiple_of(CHECK_EVERY)
    }
}

/// One warning.
#[derive(Debug)]
pub(super) struct Warning {
    /// Whether this worker knows that the warning is logged.
    is_logged: Cell<bool>,
    /// The key under which all workers know it.
    key: String,
}

impl Warning {
    const LOGGED: &[u8] = b"logged";

    fn new(what: &str) -> Self {
        Self { is_logged: Cell::new(false), key: host::shared_key(what) }
    }

    /// Whether this worker must log the warning now. Only one worker gets `true`, and only once.
    pub(super) fn is_due(&self) -> bool {
        if self.is_logged.replace(true) {
            return false;
        }
        let (logged, version) = host::shared_data(&self.key);
        logged != Self::LOGGED && host::set_shared_data(&self.key, Self::LOGGED, version)
    }

    fn reset(&self) {
        let _ = host::set_shared_data(&self.key, b"", None);
    }
}
