//! A configured service, prepared for decisions.

use std::rc::Rc;

use crate::balance::{Backend, Backends};
use crate::config::{Affinity, Fallback, OnUnavailable, Pin, ServiceConfig};
use crate::health::HealthPolicy;
use crate::session::key::Key;
use crate::session::token::{Carrier, Layout, TokenCodec};
use crate::session::token_cache::TokenCache;

/// A service with its affinity, its backends and its tokens.
#[derive(Debug)]
pub(crate) struct Service {
    /// The name in counters and logs.
    pub(crate) name: String,
    /// What ties a request to a backend.
    pub(crate) affinity: Affinity,
    /// How the filter chooses the backend of a request without a session and without a key.
    pub(crate) fallback: Fallback,
    /// What a session is tied to.
    pub(crate) pin: Pin,
    /// Writes and reads the tokens, if sessions have any.
    pub(crate) tokens: Option<TokenCodec>,
    /// What happens to a session whose backend is gone or unavailable.
    pub(crate) on_unavailable: OnUnavailable,
    /// Whether the backends' clusters fail over to each other within a request.
    pub(crate) failover: bool,
    /// How the health of the backends is judged.
    pub(crate) health: HealthPolicy,
}

impl Service {
    /// Makes a service from its configuration. All services of a worker share the keys and the cache.
    pub(crate) fn new(config: ServiceConfig, keys: &Rc<[Key]>, cache: &Rc<TokenCache>) -> Self {
        let carrier = match &config.affinity {
            Affinity::GeneratedCookie { cookie, .. } => Some(Carrier::Cookie(&cookie.name)),
            Affinity::GeneratedHeader { name, .. } => Some(Carrier::Header(name)),
            Affinity::HeaderEnvelope { name, .. } => Some(Carrier::HeaderEnvelope(name)),
            Affinity::CookieEnvelope { name } => Some(Carrier::CookieEnvelope(name)),
            _ => None,
        };
        let has_idle_timeout =
            config.affinity.lifetime().is_some_and(|lifetime| lifetime.idle_timeout_sec > 0);
        let tokens = carrier.map(|carrier| {
            let layout = Layout { last_use: has_idle_timeout, endpoint: config.pin.has_endpoint() };
            TokenCodec::new(Rc::clone(keys), Rc::clone(cache), &config.name, carrier, layout)
        });
        let backends = config
            .backends
            .into_iter()
            .map(|backend| Backend::new(backend.cluster, backend.weight, backend.backup));
        let backends = Rc::new(Backends::new(backends));
        Self {
            health: HealthPolicy::new(&config.name, backends, config.outlier_detection, config.health_check),
            name: config.name,
            affinity: config.affinity,
            fallback: config.fallback,
            pin: config.pin,
            tokens,
            on_unavailable: config.on_unavailable,
            failover: config.failover,
        }
    }

    /// The backends. Empty if the service pins only endpoints.
    pub(crate) fn backends(&self) -> &Backends {
        self.health.backends()
    }
}
