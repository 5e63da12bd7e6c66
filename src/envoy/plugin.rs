//! The plugin: reads the configuration, makes the services, and handles the tick.

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use super::announced::Announced;
use super::host;
use super::probes::Probes;
use super::stream::Stream;
use super::worker::Worker;
use crate::balance::hash::hash;
use crate::config::Config;

/// Time between two ticks. Each tick updates the clock, hands the counts to Envoy and reads the shared health table.
const TICK: Duration = Duration::from_millis(200);

/// The plugin on one worker.
pub(crate) struct Plugin {
    worker: Rc<Worker>,
    probes: Probes,
    /// `None` before the first configuration.
    announced: Option<Announced>,
}

/// The plugin without a configuration and without services.
impl Default for Plugin {
    fn default() -> Self {
        let worker = Worker::new(Config::default());
        Self { probes: Probes::new(&worker, 0), worker: Rc::new(worker), announced: None }
    }
}

impl RootContext for Plugin {
    fn on_configure(&mut self, _: usize) -> bool {
        host::follow_log_level();
        let bytes = host::plugin_configuration();
        let config = match Config::parse(&bytes, &host::environment_variable) {
            Ok(config) => config,
            Err(error) => {
                log::error!("{error}");
                return false;
            }
        };
        let fingerprint = hash(&bytes);
        let (summary, warnings) = (config.summary(), config.warnings());
        let worker = Worker::new(config);
        let announced = Announced::new(fingerprint);
        announce(&worker, &announced, &summary, &warnings);
        worker.read_health();
        self.probes = Probes::new(&worker, fingerprint);
        self.worker = Rc::new(worker);
        self.announced = Some(announced);
        host::tick_every(TICK);
        true
    }

    fn on_tick(&mut self) {
        host::follow_log_level();
        self.worker.tick();
        self.probes.send_due(&self.worker);
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        self.worker.note_request();
        Some(Box::new(Stream::new(Rc::clone(&self.worker))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Runs when an update has replaced the configuration. Envoy makes another plugin for the new configuration. On a worker
/// that serves requests, this may be hours after the update.
impl Drop for Plugin {
    fn drop(&mut self) {
        if let Some(announced) = self.announced.as_ref().filter(|_| !self.worker.serves()) {
            announced.remove();
        }
    }
}

impl Context for Plugin {
    fn on_http_call_response(&mut self, token: u32, headers: usize, _: usize, _: usize) {
        self.probes.take_answer(&self.worker, token, headers);
    }
}

/// Logs the configuration once for all workers. A configuration that comes back after an update is logged again.
fn announce(worker: &Worker, announced: &Announced, summary: &str, warnings: &[String]) {
    if !announced.add() {
        return;
    }
    for active in worker.services() {
        active.warnings.reset();
    }
    let level = if warnings.is_empty() { log::Level::Info } else { log::Level::Warn };
    let lines = [&[summary.to_owned()], warnings].concat().join("; ");
    log::log!(level, "version {} configured: {lines}", env!("CARGO_PKG_VERSION"));
}
