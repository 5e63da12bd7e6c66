//! What one worker goes by between two readings of the shared [`Board`]: a view for each service, and for each
//! backend how to learn who answered.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use crate::backends::{BackendId, IdHasher};
use crate::health::{Board, Testimony, View};
use crate::service::{Service, Services};
use crate::session::Millis;

/// What to ask the host about a response. Each question costs a call, so a healthy backend's response gets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// How the response came to be.
    Details,
    /// Which backend answered, as the endpoint's metadata name it; and how, should it look like a reply of Envoy's.
    Answerer,
    /// Both.
    Both,
}

/// Every so many responses of a backend are asked the other question: where endpoints carry no name, in case they
/// got one; where they do, in case Envoy's own replies do not look like it.
const OTHERWISE_EVERY: u32 = 64;

/// Whether a backend's endpoints carry its name.
#[derive(Clone, Copy, Debug, Default)]
struct Label {
    labelled: bool,
    responses: u32,
}

type Labels = HashMap<BackendId, Label, BuildHasherDefault<IdHasher>>;

/// One worker's knowledge of health.
pub struct Watch {
    board: Cell<Board>,
    watched: Vec<Watched>,
    changes_at: Cell<Millis>,
    refreshed_at: Cell<Millis>,
}

struct Watched {
    healthy: Rc<View>,
    view: Cell<Option<Rc<View>>>,
    labels: Cell<Labels>,
}

impl Watch {
    /// Nothing is known of any backend.
    #[must_use]
    pub fn new(services: &Services) -> Self {
        let watched = services.all().iter().map(|service| Watched {
            healthy: Rc::new(View::healthy(&service.backends)),
            view: Cell::default(),
            labels: Cell::default(),
        });
        Self {
            board: Cell::default(),
            watched: watched.collect(),
            changes_at: Cell::new(Millis::MAX),
            refreshed_at: Cell::new(0),
        }
    }

    /// The view of the service at this place.
    #[must_use]
    pub fn view(&self, service: usize) -> Option<Rc<View>> {
        let watched = self.watched.get(service)?;
        let view = watched.view.take();
        watched.view.set(view.clone());
        Some(view.unwrap_or_else(|| Rc::clone(&watched.healthy)))
    }

    /// Goes by this board from now on.
    pub fn adopt(&self, board: Board, services: &Services, now: Millis) {
        self.board.set(board);
        self.refresh(services, now);
    }

    /// Makes the views anew if an ejection ended meanwhile, or the clock was set back.
    pub fn pass_time(&self, services: &Services, now: Millis) {
        if now >= self.changes_at.get() || now < self.refreshed_at.get() {
            self.refresh(services, now);
        }
    }

    fn refresh(&self, services: &Services, now: Millis) {
        let board = self.board.take();
        let mut changes_at = Millis::MAX;
        for (service, watched) in services.all().iter().zip(&self.watched) {
            let view = board.view(service, now);
            changes_at = changes_at.min(view.as_ref().map_or(Millis::MAX, View::changes_at));
            watched.view.set(view.map(Rc::new));
        }
        self.changes_at.set(changes_at);
        self.refreshed_at.set(now);
        self.board.set(board);
    }

    /// Whether a testimony would be news, as far as this worker knows.
    #[must_use]
    pub fn is_news(&self, service: &Service, testimony: Testimony, now: Millis) -> bool {
        self.ask_board(|board| board.is_news(service, testimony, now))
    }

    /// Whether a finding of active checks would be news, as far as this worker knows.
    #[must_use]
    pub fn is_new_health(&self, service: &Service, backend: BackendId, unhealthy: bool, now: Millis) -> bool {
        self.ask_board(|board| board.is_new_health(service, backend, unhealthy, now))
    }

    fn ask_board(&self, question: impl FnOnce(&Board) -> bool) -> bool {
        let board = self.board.take();
        let answer = question(&board);
        self.board.set(board);
        answer
    }

    /// What to ask about a response meant for this backend.
    #[must_use]
    pub fn look(&self, service: usize, backend: BackendId) -> Look {
        self.label(service, backend, |label| {
            let response = label.responses;
            label.responses = response.wrapping_add(1);
            if label.labelled {
                if response % OTHERWISE_EVERY == OTHERWISE_EVERY - 1 { Look::Details } else { Look::Answerer }
            } else if response % OTHERWISE_EVERY == 0 {
                Look::Answerer
            } else {
                Look::Details
            }
        })
    }

    /// Notes that a response meant for this backend came from an endpoint that carries a name.
    pub fn note_label(&self, service: usize, backend: BackendId) {
        self.label(service, backend, |label| {
            label.labelled = true;
            Look::Both
        });
    }

    fn label(&self, service: usize, backend: BackendId, use_it: impl FnOnce(&mut Label) -> Look) -> Look {
        let Some(watched) = self.watched.get(service) else {
            return Look::Details;
        };
        let mut labels = watched.labels.take();
        let look = use_it(labels.entry(backend).or_default());
        watched.labels.set(labels);
        look
    }
}
