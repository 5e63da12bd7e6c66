//! What the workers of one Envoy share: the board of backends' health, and which of them probes.

use super::Plugin;
use crate::health::{Board, Health, Recorded, Testimony};
use crate::host::{self, Version};
use crate::probing::Finding;
use crate::service::Service;
use crate::session::Millis;

/// A worker that probes says so on each tick. After so long without a word another takes over.
const PROBER_GONE: Millis = 1_500;
/// So often a worker tries to change the shared board before another's change.
const MAX_TRIES: usize = 16;

/// The key of something that the workers of this plugin share. Other plugins may share the `vm_id`.
pub fn shared_key(what: &str) -> String {
    let plugin = host::property("plugin_name").unwrap_or_default();
    // A string of protobuf's is UTF-8.
    format!("session-affinity/{what}/{}", std::str::from_utf8(&plugin).unwrap_or_default())
}

/// Keys of what this plugin's workers share, and this worker's name among them.
#[derive(Debug)]
pub struct Keys {
    /// The health of backends. The number is that of the encoding.
    board: String,
    /// A number that changes with the board: eight bytes to read where nothing changed.
    epoch: String,
    /// Which worker probes, and when it last said so. An old configuration's prober does not probe for a new one.
    prober: String,
    worker: [u8; 8],
}

impl Keys {
    /// For a worker of this name, with a configuration of this fingerprint.
    pub fn new(worker: u64, fingerprint: u64) -> Self {
        Self {
            board: shared_key("board-2"),
            epoch: shared_key("epoch-2"),
            prober: shared_key(&format!("prober/{fingerprint:016x}")),
            worker: worker.to_be_bytes(),
        }
    }
}

impl Plugin {
    /// Notes what a response said of a backend of the service at this place, for all workers, where it is news.
    pub fn testify(&self, (index, service): (usize, &Service), testimony: Testimony) {
        let now = self.now();
        if !self.watch.is_news(service, testimony, now) {
            return;
        }
        let mut recorded = Recorded::Nothing;
        let changed = self.change_board((index, service), &mut |board| {
            recorded = board.record(service, testimony, now);
            recorded != Recorded::Nothing
        });
        if !changed {
            return;
        }
        let name = &service.name;
        let cluster = service.backends.get(testimony.backend).map_or("", |backend| backend.cluster());
        match recorded {
            Recorded::Ejected(length) => {
                let seconds = length / 1000;
                log::warn!("session-affinity: service {name}: backend {cluster} ejected for {seconds} s");
            }
            Recorded::Returned => {
                log::info!("session-affinity: service {name}: backend {cluster} answers again");
            }
            Recorded::Noted | Recorded::Nothing => {}
        }
    }

    /// Notes what active checks found, for all workers, where it is news.
    pub fn note_finding(&self, Finding { service: index, backend, health }: Finding) {
        let now = self.now();
        let Some(service) = self.services.all().get(index) else {
            return;
        };
        if !self.watch.is_new_health(service, backend, health, now) {
            return;
        }
        let changed =
            self.change_board((index, service), &mut |board| board.set_health(service, backend, health, now));
        if changed {
            let name = &service.name;
            let cluster = service.backends.get(backend).map_or("", |backend| backend.cluster());
            if health == Health::Fails {
                log::warn!("session-affinity: service {name}: backend {cluster} fails its health checks");
            } else {
                log::info!("session-affinity: service {name}: backend {cluster} passes its health checks");
            }
        }
    }

    /// Goes by what other workers learnt since the last time.
    pub fn read_board(&self) {
        let epoch = host::shared_data(&self.keys.epoch).and_then(|(bytes, _)| (*bytes).try_into().ok());
        let epoch = epoch.map_or(0, u64::from_be_bytes);
        if epoch == self.epoch.get() {
            self.watch.pass_time(&self.services, self.now());
        } else {
            self.epoch.set(epoch);
            let (bytes, _) = host::shared_data(&self.keys.board).unwrap_or_default();
            self.watch.adopt(Board::from_bytes(&bytes), &self.services, self.now());
        }
    }

    /// Changes what the shared board says of a service, unless `change` says no: then another worker had the news
    /// first. Returns whether it did; where others were always faster, `change` is not to be believed.
    #[inline(never)]
    fn change_board(
        &self,
        (index, service): (usize, &Service),
        change: &mut dyn FnMut(&mut Board) -> bool,
    ) -> bool {
        for _ in 0..MAX_TRIES {
            let (bytes, version) = host::shared_data(&self.keys.board).unwrap_or_default();
            let mut board = Board::from_bytes(&bytes);
            let changed = change(&mut board);
            board.prune(self.now());
            if !changed || host::set_shared_data(&self.keys.board, &board.to_bytes(), version) {
                if changed {
                    // It stays unread here: another worker's change may come between these two writings.
                    let epoch = self.random();
                    let _ = host::set_shared_data(&self.keys.epoch, &epoch.to_be_bytes(), Version::default());
                }
                self.watch.adopt_for(index, service, board, self.now());
                return changed;
            }
        }
        false
    }

    /// Whether this worker is the one that probes, or takes over from one that is gone.
    pub fn is_the_prober(&self) -> bool {
        let keys = &self.keys;
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
}
