//! The plugin as a whole: configuration in, services out; the clock, the counters, the randomness and the view of
//! backends' health that all streams of a worker share.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::Duration;

use crate::config::Config;
use crate::hash::{hash, mix};
use crate::health::{Board, Recorded, Testimony};
use crate::host::{self, Counter, Headers, Version};
use crate::outcome::Outcome;
use crate::probing::{Finding, Prober};
use crate::service::{Service, Services};
use crate::session::Millis;
use crate::watch::Watch;

/// How often the clock moves on, counters are handed over and the shared view of health is read.
const TICK_MILLIS: u32 = 200;
/// A worker that probes says so on each tick. After so long without a word another takes over.
const PROBER_GONE: Millis = 1_500;
/// So often a worker tries to change the shared board before another's change.
const MAX_TRIES: usize = 16;

/// One plugin of Envoy's on one worker: what it is configured to do, and its part in probing.
pub struct Root {
    plugin: Rc<Plugin>,
    prober: Prober,
}

/// Envoy deletes the context when an update replaces the plugin: what was counted since the last tick counts.
impl Drop for Root {
    fn drop(&mut self) {
        self.plugin.flush_counters();
    }
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
        Self { plugin: Rc::new(Plugin::new(None)), prober: Prober::default() }
    }

    /// What a new stream works with.
    #[must_use]
    pub fn plugin(&self) -> Rc<Plugin> {
        Rc::clone(&self.plugin)
    }

    /// Reads the configuration. Returns whether it is taken.
    pub fn configure(&mut self) -> bool {
        host::follow_log_level();
        let bytes = host::plugin_configuration();
        match Config::parse(&bytes, &host::environment_variable) {
            Ok(config) => {
                announce(&config, hash(&bytes));
                let plugin = Plugin::new(Some(config));
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
                host::header(Headers::CallResponse, ":status").is_some_and(|status| status == b"200");
            self.note_probe(target, passed);
        }
    }

    fn probe(&mut self) {
        let plugin = Rc::clone(&self.plugin);
        for probe in self.prober.due(&plugin.services, plugin.now()) {
            let timeout = Duration::from_secs(probe.timeout_sec.into());
            match host::get(probe.cluster, probe.path, timeout) {
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
    if host::shared_data(&key).is_some_and(|(last, _)| last == fingerprint) {
        return;
    }
    let _ = host::set_shared_data(&key, &fingerprint, Version::default());
    for service in &config.services {
        Warning::of("route", &service.name).forget();
        Warning::of("endpoint", &service.name).forget();
    }
    let line = format!("session-affinity {} configured: {}", env!("CARGO_PKG_VERSION"), config.summary());
    let warnings = config.warnings();
    if warnings.is_empty() {
        log::info!("{line}");
    } else {
        log::warn!("{line}; {}", warnings.join("; "));
    }
}

/// The key of something that the workers of this plugin share. Other plugins may share the `vm_id`.
fn shared_key(what: &str) -> String {
    let plugin = host::property("plugin_name").unwrap_or_default();
    format!("session-affinity/{what}/{}", String::from_utf8_lossy(&plugin))
}

/// Something to warn of once, whichever worker meets it first.
#[derive(Debug)]
struct Warning {
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
    fn is_due(&self) -> bool {
        if self.met.replace(true) {
            return false;
        }
        let (said, version) = host::shared_data(&self.key).unwrap_or_default();
        said == Self::NOT_SAID && host::set_shared_data(&self.key, Self::SAID, version)
    }

    /// It may be said anew.
    fn forget(&self) {
        let _ = host::set_shared_data(&self.key, Self::NOT_SAID, Version::default());
    }
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
    tallies: Vec<Tally>,
    clock: Cell<Millis>,
    random: Cell<u64>,
    shared: OnceCell<Shared>,
    /// The epoch of the board that this worker goes by.
    epoch: Cell<u64>,
}

/// Keys of what this plugin's workers share, and this worker's name among them.
#[derive(Debug)]
struct Shared {
    /// The health of backends.
    board: String,
    /// A number that changes with the board: eight bytes to read where nothing changed.
    epoch: String,
    /// Which worker probes, and when it last said so.
    prober: String,
    worker: [u8; 8],
}

/// What one service counted since the last tick, and what it warned of.
#[derive(Debug)]
struct Tally {
    counters: [Option<Counter>; Outcome::ALL.len()],
    counts: [Cell<u64>; Outcome::ALL.len()],
    of_route: Warning,
    of_endpoint: Warning,
}

impl Plugin {
    /// Without a configuration it serves no route, and lets no client name a cluster.
    fn new(config: Option<Config>) -> Self {
        let now = host::now().unwrap_or(0);
        let seed = host::random().map_or(now, u64::from_ne_bytes);
        let config = config.unwrap_or_default();
        let pins_endpoints = config.services.iter().any(|service| service.pin.has_endpoint());
        let services = Services::new(config.services, config.keys);
        Self {
            cluster_header: config.cluster_header,
            endpoint_header: pins_endpoints.then_some(config.endpoint_header),
            debug_header: config.debug_header,
            watch: Watch::new(&services),
            tallies: services.all().iter().map(Tally::of).collect(),
            services,
            clock: Cell::new(now),
            random: Cell::new(seed),
            shared: OnceCell::new(),
            epoch: Cell::new(0),
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
        self.tallies.get(service).is_some_and(|tally| tally.of_route.is_due())
    }

    /// Whether this is the first time, on all workers, that the service at this place misses the name of an
    /// endpoint.
    pub fn may_warn_of_endpoint(&self, service: usize) -> bool {
        self.tallies.get(service).is_some_and(|tally| tally.of_endpoint.is_due())
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

    /// Notes what a response said of a backend, for all workers, where it is news.
    pub fn testify(&self, service: &Service, testimony: Testimony) {
        let now = self.now();
        if !self.watch.is_news(service, testimony, now) {
            return;
        }
        let recorded = self.change_board(|board| {
            let recorded = board.record(service, testimony, now);
            (recorded != Recorded::Nothing).then_some(recorded)
        });
        let name = &service.name;
        let cluster = service.backends.get(testimony.backend).map_or("", |backend| backend.cluster());
        match recorded {
            Some(Recorded::Ejected(length)) => {
                let seconds = length / 1000;
                log::warn!("session-affinity: service {name}: backend {cluster} ejected for {seconds} s");
            }
            Some(Recorded::Returned) => {
                log::info!("session-affinity: service {name}: backend {cluster} answers again");
            }
            Some(Recorded::Noted | Recorded::Nothing) | None => {}
        }
    }

    /// Notes what active checks found, for all workers, where it is news.
    fn note_finding(&self, Finding { service, backend, unhealthy }: Finding) {
        let now = self.now();
        let Some(service) = self.services.all().get(service) else {
            return;
        };
        if !self.watch.is_new_health(service, backend, unhealthy, now) {
            return;
        }
        let changed =
            self.change_board(|board| board.set_unhealthy(service, backend, unhealthy, now).then_some(()));
        if changed.is_some() {
            let name = &service.name;
            let cluster = service.backends.get(backend).map_or("", |backend| backend.cluster());
            if unhealthy {
                log::warn!("session-affinity: service {name}: backend {cluster} fails its health checks");
            } else {
                log::info!("session-affinity: service {name}: backend {cluster} passes its health checks");
            }
        }
    }

    /// Goes by what other workers learnt since the last time.
    fn read_board(&self) {
        let keys = self.shared();
        let epoch = host::shared_data(&keys.epoch).and_then(|(bytes, _)| bytes.try_into().ok());
        let epoch = epoch.map_or(0, u64::from_be_bytes);
        if epoch == self.epoch.get() {
            self.watch.pass_time(&self.services, self.now());
        } else {
            self.epoch.set(epoch);
            let bytes = host::shared_data(&keys.board).map_or_else(Vec::new, |(bytes, _)| bytes);
            self.watch.adopt(Board::from_bytes(&bytes), &self.services, self.now());
        }
    }

    /// Changes the shared board, unless `change` returns `None`: then another worker had the news first.
    fn change_board<T>(&self, change: impl Fn(&mut Board) -> Option<T>) -> Option<T> {
        let keys = self.shared();
        for _ in 0..MAX_TRIES {
            let (bytes, version) = host::shared_data(&keys.board).unwrap_or_default();
            let mut board = Board::from_bytes(&bytes);
            let changed = change(&mut board);
            if changed.is_none() || host::set_shared_data(&keys.board, &board.to_bytes(), version) {
                if changed.is_some() {
                    // It stays unread here: another worker's change may come between these two writings.
                    let epoch = self.random();
                    let _ = host::set_shared_data(&keys.epoch, &epoch.to_be_bytes(), Version::default());
                }
                self.watch.adopt(board, &self.services, self.now());
                return changed;
            }
        }
        None
    }

    /// Whether this worker is the one that probes, or takes over from one that is gone.
    fn is_the_prober(&self) -> bool {
        let keys = self.shared();
        let now = self.now();
        let (word, version) = host::shared_data(&keys.prober).unwrap_or_default();
        let last = word
            .split_first_chunk::<8>()
            .and_then(|(worker, said)| Some((*worker, Millis::from_be_bytes(said.try_into().ok()?))));
        match last {
            Some((worker, said)) if worker != keys.worker && said.abs_diff(now) < PROBER_GONE => false,
            _ => {
                let word = [keys.worker, now.to_be_bytes()].concat();
                host::set_shared_data(&keys.prober, &word, version)
            }
        }
    }

    fn shared(&self) -> &Shared {
        self.shared.get_or_init(|| Shared {
            board: shared_key("board"),
            epoch: shared_key("epoch"),
            prober: shared_key("prober"),
            worker: self.random().to_be_bytes(),
        })
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
            of_route: Warning::of("route", &service.name),
            of_endpoint: Warning::of("endpoint", &service.name),
        }
    }
}
