//! What is warned of once, whichever worker meets it first.

use std::cell::Cell;

use super::sharing::shared_key;
use crate::host::{self, Version};

/// So many new sessions of a worker are looked at for a route that goes elsewhere, then one of [`ROUTE_STRIDE`]: it
/// costs a call.
const ROUTES_AT_FIRST: u32 = 32;
const ROUTE_STRIDE: u32 = 64;

/// What may be wrong around one service.
#[derive(Debug)]
pub struct Warnings {
    /// Its route does not take its cluster from our header.
    pub route: Warning,
    /// Nobody names endpoints.
    pub endpoint: Warning,
    /// Endpoints are not refused as they should be.
    pub strict: Warning,
    sessions: Cell<u32>,
}

impl Warnings {
    /// Of the service of this name.
    pub fn of(service: &str) -> Self {
        let warning = |what| Warning::of(what, service);
        Self {
            route: warning("route"),
            endpoint: warning("endpoint"),
            strict: warning("strict"),
            sessions: Cell::new(0),
        }
    }

    /// They may be said anew.
    pub fn forget(&self) {
        for warning in [&self.route, &self.endpoint, &self.strict] {
            let _ = host::set_shared_data(&warning.key, Warning::NOT_SAID, Version::default());
        }
    }

    /// Whether the route of one more new session is to be looked at.
    pub fn look_at_route(&self) -> bool {
        let session = self.sessions.get();
        self.sessions.set(session.wrapping_add(1));
        session < ROUTES_AT_FIRST || session.is_multiple_of(ROUTE_STRIDE)
    }
}

/// One of them.
#[derive(Debug)]
pub struct Warning {
    /// Whether this worker need not ask the others.
    met: Cell<bool>,
    /// Under which all workers know whether one of them said it.
    key: String,
}

impl Warning {
    const SAID: &[u8] = b"said";
    const NOT_SAID: &[u8] = b"";

    fn of(what: &str, service: &str) -> Self {
        Self { met: Cell::new(false), key: shared_key(&format!("{what}-warning/{service}")) }
    }

    /// Whether it is this worker that says it.
    pub fn is_due(&self) -> bool {
        if self.met.replace(true) {
            return false;
        }
        let (said, version) = host::shared_data(&self.key).unwrap_or_default();
        *said == *Self::NOT_SAID && host::set_shared_data(&self.key, Self::SAID, version)
    }
}
