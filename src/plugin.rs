//! The plugin as a whole: configuration in, services out; the clock, the counters and the randomness that all
//! streams of a worker share.

use std::cell::Cell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::config::Config;
use crate::filter::Filter;
use crate::hash::{hash, mix};
use crate::host::{self, Counter};
use crate::outcome::Outcome;
use crate::service::{Service, Services};
use crate::session::Millis;

/// How often the clock moves on and counters are handed over.
const TICK_MILLIS: u32 = 200;

/// The root context for Envoy's plugin.
#[must_use]
pub fn root_context() -> Box<dyn RootContext> {
    Box::new(Root { plugin: Rc::new(Plugin::new(None)) })
}

struct Root {
    plugin: Rc<Plugin>,
}

impl Context for Root {}

/// Envoy deletes the context when an update replaces the plugin: what was counted since the last tick counts.
impl Drop for Root {
    fn drop(&mut self) {
        self.plugin.flush_counters();
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        host::follow_log_level();
        let bytes = host::plugin_configuration();
        match Config::parse(&bytes, &host::environment_variable) {
            Ok(config) => {
                announce(&config, hash(&bytes));
                self.plugin = Rc::new(Plugin::new(Some(config)));
                host::tick_every(TICK_MILLIS);
                true
            }
            Err(error) => {
                log::error!("session-affinity: {error}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        host::follow_log_level();
        self.plugin.read_clock();
        self.plugin.flush_counters();
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter::new(Rc::clone(&self.plugin))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Logs what is served from now on, once for all workers: the first to configure says it.
fn announce(config: &Config, fingerprint: u64) {
    let name = host::property("plugin_name").unwrap_or_default();
    let key = format!("session-affinity/announced/{}", String::from_utf8_lossy(&name));
    let fingerprint = fingerprint.to_be_bytes();
    if host::shared_data(&key).is_some_and(|(last, _)| last == fingerprint) {
        return;
    }
    host::set_shared_data(&key, &fingerprint);
    for service in &config.services {
        host::set_shared_data(&route_warning_key(&service.name), NOT_WARNED);
    }
    let line = format!("session-affinity {} configured: {}", env!("CARGO_PKG_VERSION"), config.summary());
    let warnings = config.warnings();
    if warnings.is_empty() {
        log::info!("{line}");
    } else {
        log::warn!("{line}; {}", warnings.join("; "));
    }
}

const NOT_WARNED: &[u8] = b"";
const WARNED: &[u8] = b"warned";

/// Under which all workers know whether one of them warned of a service's route.
fn route_warning_key(service: &str) -> String {
    let plugin = host::property("plugin_name").unwrap_or_default();
    format!("session-affinity/route-warning/{}/{service}", String::from_utf8_lossy(&plugin))
}

/// What all streams of one worker share.
#[derive(Debug)]
pub struct Plugin {
    /// The request header that names the cluster.
    pub cluster_header: String,
    /// The response header that tells the outcome.
    pub debug_header: Option<String>,
    /// Who serves what.
    pub services: Services,
    tallies: Vec<Tally>,
    clock: Cell<Millis>,
    random: Cell<u64>,
}

/// What one service counted since the last tick, and what it warned of.
#[derive(Debug)]
struct Tally {
    counters: [Option<Counter>; Outcome::ALL.len()],
    counts: [Cell<u64>; Outcome::ALL.len()],
    warned_of_route: Cell<bool>,
    route_warning_key: String,
}

impl Plugin {
    /// Without a configuration it serves no route, and lets no client name a cluster.
    fn new(config: Option<Config>) -> Self {
        let now = host::now().unwrap_or(0);
        let seed = host::random().map_or(now, u64::from_ne_bytes);
        let (cluster_header, debug_header, services) = match config {
            Some(config) => {
                (config.cluster_header, config.debug_header, Services::new(config.services, config.keys))
            }
            None => ("x-affinity-cluster".to_owned(), None, Services::default()),
        };
        Self {
            cluster_header,
            debug_header,
            tallies: services.all().iter().map(Tally::of).collect(),
            services,
            clock: Cell::new(now),
            random: Cell::new(seed),
        }
    }

    /// The wall clock as of the last tick or [`read_clock`](Self::read_clock).
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.get()
    }

    /// The wall clock as of now.
    pub fn read_clock(&self) -> Millis {
        if let Some(now) = host::now() {
            self.clock.set(now);
        }
        self.now()
    }

    /// A number good for spreading load, not for secrets: `SplitMix64` (Steele, Lea and Flood 2014).
    pub fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        mix(state)
    }

    /// Counts a request of the service at this place.
    pub fn count(&self, service: usize, outcome: Outcome) {
        if let Some(count) = self.tallies.get(service).and_then(|tally| tally.counts.get(outcome.index())) {
            count.set(count.get().saturating_add(1));
        }
    }

    /// Whether this is the first time, on all workers, that the service at this place has a route to warn of.
    pub fn may_warn_of_route(&self, service: usize) -> bool {
        let Some(tally) = self.tallies.get(service) else {
            return false;
        };
        if tally.warned_of_route.replace(true) {
            return false;
        }
        let (said, version) = host::shared_data(&tally.route_warning_key).unwrap_or_default();
        said == NOT_WARNED && host::replace_shared_data(&tally.route_warning_key, WARNED, version)
    }

    fn flush_counters(&self) {
        for tally in &self.tallies {
            for (counter, count) in tally.counters.iter().zip(&tally.counts) {
                let count = count.take();
                if let Some(counter) = counter.filter(|_| count > 0) {
                    counter.add(count);
                }
            }
        }
    }
}

impl Tally {
    fn of(service: &Service) -> Self {
        let define = |outcome: Outcome| {
            let name = format!("session_affinity.service.{}.outcome.{}", service.name, outcome.name());
            Counter::define(&name)
        };
        Self {
            counters: Outcome::ALL.map(define),
            counts: Default::default(),
            warned_of_route: Cell::new(false),
            route_warning_key: route_warning_key(&service.name),
        }
    }
}
