//! Warnings about routes, filters and applications that do not match a service's configuration. Each warning is logged
//! once for all workers.

use std::cell::Cell;

use super::host;

/// A worker checks the cluster of the first new sessions, and the route of the first responses, up to this number.
/// After that it checks one in [`CHECK_EVERY`], because each check costs a host call.
const CHECKED_FIRST: u32 = 32;
const CHECK_EVERY: u32 = 64;

/// The warnings about one service.
#[derive(Debug)]
pub(super) struct Warnings {
    service: String,
    other_cluster: Once,
    other_route: Once,
    no_endpoint: Once,
    left_endpoint: Once,
    foreign_token: Once,
    long_cookie: Once,
    new_sessions: Cell<u32>,
    responses: Cell<u32>,
}

impl Warnings {
    /// The warnings about the service with this name.
    pub(super) fn new(service: &str) -> Self {
        let once = |warning: &str| Once::new(&format!("{warning}-warning/{service}"));
        Self {
            service: service.to_owned(),
            other_cluster: once("cluster"),
            other_route: once("route"),
            no_endpoint: once("endpoint"),
            left_endpoint: once("strict"),
            foreign_token: once("overwritten"),
            long_cookie: once("long-cookie"),
            new_sessions: Cell::new(0),
            responses: Cell::new(0),
        }
    }

    /// Allows each warning to be logged again.
    pub(super) fn reset(&self) {
        let Self {
            other_cluster, other_route, no_endpoint, left_endpoint, foreign_token, long_cookie, ..
        } = self;
        [other_cluster, other_route, no_endpoint, left_endpoint, foreign_token, long_cookie]
            .into_iter()
            .for_each(Once::reset);
    }

    /// Whether to check the cluster of one more new session.
    pub(super) fn should_check_cluster(&self) -> bool {
        is_checked(&self.new_sessions)
    }

    /// Whether to check the route of one more response.
    pub(super) fn should_check_route(&self) -> bool {
        is_checked(&self.responses)
    }

    /// Warns that the route does not take its cluster from the filter's header.
    pub(super) fn other_cluster(&self, taken: &[u8], chosen: &str, cluster_header: &str) {
        self.other_cluster.log(&self.service, || {
            format!(
                "the filter chose cluster {chosen}, and the response came from cluster {}: give the \
                 route cluster_header: {cluster_header}",
                String::from_utf8_lossy(taken),
            )
        });
    }

    /// Warns that Envoy changed the route after the filter had seen it.
    pub(super) fn other_route(&self, seen: &[u8], taken: &[u8]) {
        self.other_route.log(&self.service, || {
            format!(
                "the filter saw the route {}, and Envoy took the route {}: place a header_mutation filter directly \
                 before this filter, so that Envoy chooses the route first",
                String::from_utf8_lossy(seen),
                String::from_utf8_lossy(taken),
            )
        });
    }

    /// Warns that no `stateful_session` filter names endpoints.
    pub(super) fn no_endpoint(&self, endpoint_header: &str) {
        self.no_endpoint.log(&self.service, || {
            format!(
                "Envoy named no endpoint: place stateful_session with header state {endpoint_header} directly after \
                 this filter"
            )
        });
    }

    /// Warns that a session moved to another endpoint although `onUnavailable` is REJECT.
    pub(super) fn left_endpoint(&self) {
        self.left_endpoint.log(&self.service, || {
            "a session moved to another endpoint, and onUnavailable is REJECT: set strict: true in stateful_session, and \
             remove the route's retry_policy"
                .to_owned()
        });
    }

    /// Warns that the application sets the cookie or header of the filter's own token.
    pub(super) fn foreign_token(&self, carrier: &str) {
        self.foreign_token.log(&self.service, || {
            format!(
                "the application itself sets {carrier}, so clients get no token of this filter: choose another name"
            )
        });
    }

    /// Warns that the application's own cookie would become longer than browsers allow.
    pub(super) fn long_cookie(&self, name: &str) {
        self.long_cookie.log(&self.service, || {
            format!(
                "the cookie {name} of the application is too long to be wrapped, so its sessions have no affinity: \
                 browsers keep 4096 bytes of name and value"
            )
        });
    }
}

/// Adds one to the count. Returns whether to check this one.
fn is_checked(count: &Cell<u32>) -> bool {
    let index = count.get();
    count.set(index.wrapping_add(1));
    index < CHECKED_FIRST || index.is_multiple_of(CHECK_EVERY)
}

/// A warning that only one worker logs, once.
#[derive(Debug)]
struct Once {
    /// Whether this worker knows that the warning is logged.
    is_logged: Cell<bool>,
    /// The key of the shared mark that the warning is logged.
    shared_key: String,
}

impl Once {
    const LOGGED: &[u8] = b"logged";

    fn new(what: &str) -> Self {
        Self { is_logged: Cell::new(false), shared_key: host::shared_key(what) }
    }

    fn log(&self, service: &str, text: impl FnOnce() -> String) {
        if self.is_logged.replace(true) {
            return;
        }
        let (logged, version) = host::shared_data(&self.shared_key);
        if logged != Self::LOGGED && host::set_shared_data(&self.shared_key, Self::LOGGED, version) {
            log::warn!("service {service}: {}", text());
        }
    }

    fn reset(&self) {
        let _ = host::set_shared_data(&self.shared_key, b"", None);
    }
}
