//! The plugin as a whole: configuration in, services out; the clock, the counters, the randomness and the view of
//! backends' health that all streams of a worker share.

mod counters;
mod sharing;
mod warnings;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::config::Config;
use crate::hash::{hash, mix};
use crate::host::{self, Headers, Version};
use crate::outcome::Outcome;
use crate::probing::Prober;
use crate::service::Services;
use crate::session::Millis;
use crate::token::NONCE_LEN;
use crate::watch::Watch;
use counters::Counts;
use sharing::{Keys, shared_key};
use warnings::Warnings;

/// How often the clock moves on, counters are handed over and the shared view of health is read.
const TICK_MILLIS: u32 = 200;
/// So many nonces are drawn from the host at a time.
const NONCES: usize = 32;

/// One plugin of Envoy's on one worker: what it is configured to do, and its part in probing.
pub struct Root {
    plugin: Rc<Plugin>,
    prober: Prober,
}

impl Default for Root {
    fn default() -> Self {
        Self::new()
    }
}

impl Root {
    /// Before its configuration comes.
    #[must_use]
    pub fn new() -> Self {
        Self { plugin: Rc::new(Plugin::new(Config::default(), 0)), prober: Prober::default() }
    }

    /// What a new stream works with.
    #[must_use]
    pub const fn plugin(&self) -> &Rc<Plugin> {
        &self.plugin
    }

    /// Reads the configuration. Returns whether it is taken.
    pub fn configure(&mut self) -> bool {
        host::follow_log_level();
        let bytes = host::plugin_configuration();
        match Config::parse(&bytes, &host::environment_variable) {
            Ok(config) => {
                let fingerprint = hash(&bytes);
                announce(&config, fingerprint);
                let plugin = Plugin::new(config, fingerprint);
                plugin.read_board();
                self.prober = Prober::new(&plugin.services, plugin.now());
                self.plugin = Rc::new(plugin);
                host::tick_every(TICK_MILLIS);
                true
            }
            Err(error) => {
                log::error!("session-affinity: {error}");
                false
            }
        }
    }

    /// Some time has passed.
    pub fn tick(&mut self) {
        host::follow_log_level();
        self.plugin.read_clock();
        self.plugin.flush_counters();
        self.plugin.read_board();
        if !self.prober.is_idle() && self.plugin.is_the_prober() {
            self.probe();
        }
    }

    /// A call of our own was answered, or failed.
    pub fn take_call_response(&mut self, token: u32) {
        if let Some(target) = self.prober.target_of(token) {
            let passed =
                host::header(Headers::CallResponse, ":status").is_some_and(|status| *status == *b"200");
            self.note_probe(target, passed);
        }
    }

    fn probe(&mut self) {
        let plugin = Rc::clone(&self.plugin);
        for probe in self.prober.due(&plugin.services, plugin.now()) {
            let timeout = Duration::from_secs(probe.timeout_sec.into());
            match host::get(probe.cluster, probe.host, probe.path, timeout) {
                Some(token) => self.prober.sent(token, probe.target),
                None => self.note_probe(probe.target, false),
            }
        }
    }

    fn note_probe(&mut self, target: usize, passed: bool) {
        if let Some(finding) = self.prober.answered(&self.plugin.services, target, passed) {
            self.plugin.note_finding(finding);
        }
    }
}

/// Logs what is served from now on, once for all workers: the first to configure says it.
fn announce(config: &Config, fingerprint: u64) {
    let key = shared_key("announced");
    let fingerprint = fingerprint.to_be_bytes();
    if host::shared_data(&key).is_some_and(|(last, _)| *last == fingerprint) {
        return;
    }
    let _ = host::set_shared_data(&key, &fingerprint, Version::default());
    for service in &config.services {
        Warnings::of(&service.name).forget();
    }
    let mut line = format!("session-affinity {} configured: {}", env!("CARGO_PKG_VERSION"), config.summary());
    let warnings = config.warnings();
    for warning in &warnings {
        line.push_str("; ");
        line.push_str(warning);
    }
    let level = if warnings.is_empty() { log::Level::Info } else { log::Level::Warn };
    log::log!(level, "{line}");
}

/// What all streams of one worker share.
pub struct Plugin {
    /// The request header that names the cluster.
    pub cluster_header: String,
    /// The header that names an endpoint to Envoy, where any service pins endpoints.
    pub endpoint_header: Option<String>,
    /// The response header that tells the outcome.
    pub debug_header: Option<String>,
    /// Who serves what.
    pub services: Services,
    /// What is known of backends' health.
    pub watch: Watch,
    /// Of each service.
    tallies: Vec<(Counts, Warnings)>,
    clock: Cell<Millis>,
    random: Cell<u64>,
    /// Randomness that was drawn and not used yet.
    nonces: Cell<Vec<[u8; NONCE_LEN]>>,
    keys: Keys,
    /// The epoch of the board that this worker goes by.
    epoch: Cell<u64>,
}

/// An update replaced it, and the last of its streams is over: what was counted since the last tick counts. Of the last
/// plugin of a VM Envoy does not tell the end, and such counts are lost.
impl Drop for Plugin {
    fn drop(&mut self) {
        self.flush_counters();
    }
}

impl Plugin {
    /// Without a service it serves no route, and lets no client name a cluster.
    fn new(config: Config, fingerprint: u64) -> Self {
        let now = host::now().unwrap_or(0);
        let seed = host::random().map_or(now, u64::from_ne_bytes);
        let pins_endpoints = config.services.iter().any(|service| service.pin.has_endpoint());
        let services = Services::new(config.services, config.keys);
        let of_service = |name: &str| (Counts::of(name), Warnings::of(name));
        Self {
            cluster_header: config.cluster_header,
            endpoint_header: pins_endpoints.then_some(config.endpoint_header),
            debug_header: config.debug_header,
            watch: Watch::new(&services),
            tallies: services.all().iter().map(|service| of_service(&service.name)).collect(),
            services,
            clock: Cell::new(now),
            random: Cell::new(seed),
            nonces: Cell::default(),
            keys: Keys::new(mix(seed), fingerprint),
            epoch: Cell::new(0),
        }
    }

    /// The wall clock as of the last tick.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.get()
    }

    fn read_clock(&self) {
        if let Some(now) = host::now() {
            self.clock.set(now);
        }
    }

    /// A number good for spreading load, not for secrets: `SplitMix64` (Steele, Lea and Flood 2014).
    pub fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        mix(state)
    }

    /// Cryptographic randomness that was given to nobody else. `None` where the host has none.
    pub fn nonce(&self) -> Option<[u8; NONCE_LEN]> {
        let mut nonces = self.nonces.take();
        if nonces.is_empty() {
            let drawn = host::random::<{ NONCES * NONCE_LEN }>();
            nonces.extend(drawn.iter().flat_map(|bytes| bytes.as_chunks().0));
        }
        let nonce = nonces.pop();
        self.nonces.set(nonces);
        nonce
    }

    /// Counts a request of the service at this place.
    pub fn count(&self, service: usize, outcome: Outcome) {
        if let Some((counts, _)) = self.tallies.get(service) {
            counts.count(outcome);
        }
    }

    /// What may be wrong around the service at this place.
    pub fn warnings(&self, service: usize) -> Option<&Warnings> {
        self.tallies.get(service).map(|(_, warnings)| warnings)
    }

    fn flush_counters(&self) {
        for (counts, _) in &self.tallies {
            counts.flush();
        }
    }
}
