//! The services of a configuration, ready to serve: which one a route belongs to, and all that each needs for
//! its decisions.

use std::collections::HashMap;
use std::rc::Rc;

use fnv::FnvBuildHasher;

use crate::backends::Backends;
use crate::config::{Affinity, HealthCheck, OnUnavailable, OutlierDetection, Pin, ServiceConfig};
use crate::cookie;
use crate::keys::Key;
use crate::remembered::Remembered;
use crate::token::{Carrier, Room, Tokens};

/// A service, ready to decide.
#[derive(Debug)]
pub struct Service {
    /// Its name in counters and logs.
    pub name: String,
    /// What ties a request to a backend.
    pub affinity: Affinity,
    /// Finds its cookie. Means nothing where it has none.
    pub cookie: cookie::Finder,
    /// What a session is tied to.
    pub pin: Pin,
    /// Where requests can go; none where endpoints alone are pinned.
    pub backends: Backends,
    /// Writes and reads its tokens, where sessions carry any.
    pub tokens: Option<Tokens>,
    /// What becomes of sessions whose backend is gone or unavailable.
    pub on_unavailable: OnUnavailable,
    /// What responses say of backends.
    pub outlier_detection: OutlierDetection,
    /// How backends are probed, if they are.
    pub health_check: Option<HealthCheck>,
}

impl Service {
    fn new(config: ServiceConfig, keys: &[Rc<Key>], memory: (Rc<Remembered>, usize)) -> Self {
        let carried = match &config.affinity {
            Affinity::GeneratedCookie { cookie, life } => Some((Carrier::Cookie(&cookie.name), life)),
            Affinity::GeneratedHeader { name, life } => Some((Carrier::Header(name), life)),
            Affinity::HeaderEnvelope { name, life } => Some((Carrier::Envelope(name), life)),
            _ => None,
        };
        let tokens = carried.map(|(carrier, life)| {
            let room = Room { last_use: life.idle_timeout_sec > 0, endpoint: config.pin.has_endpoint() };
            Tokens::new(keys, memory, &config.name, carrier, room)
        });
        Self {
            backends: Backends::new(config.backends),
            name: config.name,
            cookie: cookie::Finder::new(config.affinity.cookie().map_or("", |cookie| &cookie.name)),
            affinity: config.affinity,
            pin: config.pin,
            tokens,
            on_unavailable: config.on_unavailable,
            outlier_detection: config.outlier_detection,
            health_check: config.health_check,
        }
    }
}

/// All services, found by the name of an Envoy route.
#[derive(Debug, Default)]
pub struct Services {
    all: Vec<Service>,
    by_route: HashMap<Vec<u8>, usize, FnvBuildHasher>,
    default: Option<usize>,
}

impl Services {
    /// Builds them from their configuration.
    #[must_use]
    pub fn new(services: Vec<ServiceConfig>, keys: Vec<Key>) -> Self {
        let keys: Vec<Rc<Key>> = keys.into_iter().map(Rc::new).collect();
        let remembered = Rc::new(Remembered::default());
        let mut built = Self::default();
        for (index, mut config) in services.into_iter().enumerate() {
            match config.routes.take() {
                Some(routes) => {
                    built.by_route.extend(routes.into_iter().map(|route| (route.into_bytes(), index)));
                }
                None => built.default = Some(index),
            }
            built.all.push(Service::new(config, &keys, (Rc::clone(&remembered), index)));
        }
        built
    }

    /// In the order of the configuration.
    #[must_use]
    pub fn all(&self) -> &[Service] {
        &self.all
    }

    /// Whether the route's name makes a difference. Asking for it costs a call to the host.
    #[must_use]
    pub fn depend_on_route(&self) -> bool {
        !self.by_route.is_empty()
    }

    /// The place in [`all`](Self::all) of the service that serves a route; `None` for one no service has.
    #[must_use]
    pub fn index_for(&self, route: Option<&[u8]>) -> Option<usize> {
        route.and_then(|name| self.by_route.get(name)).copied().or(self.default)
    }
}
