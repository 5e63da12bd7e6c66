//! What is known of one service.

use serde_json::{Value, json};
use session_affinity::backends::{Backend, BackendId};
use session_affinity::evidence::Evidence;
use session_affinity::health::{Board, Health, Recorded, Slot, Slots, Testimony, View};
use session_affinity::session::Millis;

use crate::support::{NOW, One, service};

/// What is known of a service with so many backends: `app-0` and so on.
pub struct Known {
    pub service: One,
    pub board: Board,
    pub now: Millis,
}

/// A second.
pub const SECOND: Millis = 1_000;

impl Known {
    pub fn nothing(count: usize, outlier_detection: &Value) -> Self {
        Self::with(count, json!({ "outlierDetection": outlier_detection }))
    }

    pub fn with(count: usize, mut config: Value) -> Self {
        config["backends"] = (0..count).map(|index| json!(format!("app-{index}"))).collect();
        Self { service: service(&config), board: Board::default(), now: NOW }
    }

    pub fn record(&mut self, index: usize, evidence: Evidence) -> Recorded {
        let was_out = self.is_out(index);
        self.testify(index, evidence, was_out)
    }

    pub fn testify(&mut self, index: usize, evidence: Evidence, was_out: bool) -> Recorded {
        let testimony = Testimony { backend: id(index), evidence, was_out };
        let is_news = self.board.is_news(&self.service, testimony, self.now);
        let recorded = self.board.record(&self.service, testimony, self.now);
        assert_eq!(is_news, recorded != Recorded::Nothing);
        recorded
    }

    /// Requests fail to reach it, three at the most. (One that was out goes on with the row that it had.)
    pub fn eject(&mut self, index: usize) -> Recorded {
        let mut fails = || self.record(index, Evidence::NotConnected);
        let ejected = (0..3).map(|_| fails()).find(|recorded| matches!(recorded, Recorded::Ejected(_)));
        ejected.unwrap_or(Recorded::Nothing)
    }

    /// What checks found. Returns whether that was news.
    pub fn check(&mut self, index: usize, health: Health) -> bool {
        let is_news = self.board.is_new_health(&self.service, id(index), health, self.now);
        let changed = self.board.set_health(&self.service, id(index), health, self.now);
        assert_eq!(is_news, changed);
        changed
    }

    /// What other workers are told.
    pub fn bytes(&mut self) -> Vec<u8> {
        self.board.prune(self.now);
        self.board.to_bytes()
    }

    pub fn view(&self) -> View {
        let ids = self.service.backends.iter().map(Backend::id);
        let slots: Slots = ids.map(|id| (Slot::of(&self.service.name, id), id)).collect();
        let healthy = View::healthy(&self.service.backends);
        self.board.view(&self.service, &slots, &healthy, self.now).unwrap_or(healthy)
    }

    pub fn is_out(&self, index: usize) -> bool {
        self.view().is_out(id(index))
    }

    /// Those that take no requests.
    pub fn unavailable(&self) -> Vec<usize> {
        let view = self.view();
        (0..self.service.backends.iter().len()).filter(|index| !view.is_available(id(*index))).collect()
    }

    pub fn pass(&mut self, time: Millis) {
        self.now += time;
    }
}

/// The backend of this number.
pub fn id(index: usize) -> BackendId {
    BackendId::of(&format!("app-{index}"))
}
