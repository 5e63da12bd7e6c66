//! What one worker goes by between two readings of the shared [`Board`]: a view for each service, and for each
//! backend which of its responses to look at, and how.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::backends::{Backend, BackendId, Places};
use crate::health::{Board, Health, Slot, Slots, Testimony, View};
use crate::service::{Service, Services};
use crate::session::Millis;

/// What to ask the host about a response. Each question costs a call, so a healthy backend's response gets one at the
/// most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing: others are looked at.
    Away,
    /// How the response came to be.
    Details,
    /// Its status, and how it came to be only if that is a gateway error.
    Status,
    /// Which backend answered, as the endpoint's metadata name it.
    Answerer,
    /// Both.
    Both,
}

/// So many responses of a backend are looked at in one tick; of more, as many. At 200 ms a tick a failure is found
/// within 25 ms, and from then on every response counts.
const LOOKS_PER_TICK: u32 = 8;
/// A backend that nobody asked for this long gets each response looked at again.
const TRAFFIC_ENDED: Millis = 500;
/// Where endpoints carry no name, one of so many looks is for one, in case they got it.
const NAME_EVERY: u32 = 8;
/// Where they carry one, one of so many looks is for the details, in case Envoy's own replies do not look like it: each
/// of these lets a session that was answered elsewhere go on where it is.
const DETAILS_EVERY: u32 = 64;
/// Envoy's own replies have so many headers, where nobody adds any: status, length and type.
const FEW_HEADERS: usize = 3;

/// What one worker sees of a backend's responses.
#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    /// Whether its endpoints carry its name.
    labelled: bool,
    /// Whether answers of the application's have as few headers as Envoy's own.
    terse: bool,
    /// The tick that `responses` counts.
    tick: Millis,
    responses: u32,
    /// One of so many is looked at, by the last tick's traffic; 0 as 1.
    stride: u32,
    looks: u32,
}

impl Traffic {
    /// What to ask of one more response.
    fn look(&mut self, headers: usize, now: Millis) -> Look {
        if self.tick != now {
            let quiet = now.abs_diff(self.tick) >= TRAFFIC_ENDED;
            self.stride = if quiet { 1 } else { self.responses / LOOKS_PER_TICK };
            self.tick = now;
            self.responses = 0;
        }
        let response = self.responses;
        self.responses = response.saturating_add(1);
        if headers <= FEW_HEADERS && !self.terse {
            return Look::Details;
        }
        if response.checked_rem(self.stride).unwrap_or(0) != 0 {
            return Look::Away;
        }
        let look = self.looks;
        self.looks = look.wrapping_add(1);
        let otherwise = match (self.labelled, self.terse) {
            // Without a hint in the number of headers, both questions are as urgent.
            (true, true) => 2,
            (true, false) => DETAILS_EVERY,
            (false, _) => NAME_EVERY,
        };
        if look.is_multiple_of(otherwise) == self.labelled { Look::Details } else { Look::Answerer }
    }
}

/// One worker's knowledge of health.
pub struct Watch {
    board: Cell<Board>,
    watched: Vec<Watched>,
    changes_at: Cell<Millis>,
    refreshed_at: Cell<Millis>,
}

struct Watched {
    slots: Slots,
    healthy: Rc<View>,
    /// `None` where nothing is known of any backend.
    view: RefCell<Option<Rc<View>>>,
    places: Rc<Places>,
    /// By their places.
    traffic: RefCell<Vec<Traffic>>,
}

impl Watched {
    fn of(service: &Service) -> Self {
        let ids = service.backends.iter().map(Backend::id);
        Self {
            slots: ids.map(|id| (Slot::of(&service.name, id), id)).collect(),
            healthy: Rc::new(View::healthy(&service.backends)),
            view: RefCell::default(),
            places: service.backends.places(),
            traffic: RefCell::new(vec![Traffic::default(); service.backends.iter().len()]),
        }
    }

    fn view(&self) -> Rc<View> {
        let known = self.view.try_borrow().ok();
        known.and_then(|view| view.clone()).unwrap_or_else(|| Rc::clone(&self.healthy))
    }

    /// Makes the view anew. Returns when it changes by itself.
    fn refresh(&self, board: &Board, service: &Service, now: Millis) -> Millis {
        let view = board.view(service, &self.slots, &self.view(), now);
        let changes_at = view.as_ref().map_or(Millis::MAX, View::changes_at);
        if let Ok(mut place) = self.view.try_borrow_mut() {
            *place = view.map(Rc::new);
        }
        changes_at
    }
}

impl Watch {
    /// Nothing is known of any backend.
    #[must_use]
    pub fn new(services: &Services) -> Self {
        Self {
            board: Cell::default(),
            watched: services.all().iter().map(Watched::of).collect(),
            changes_at: Cell::new(Millis::MAX),
            refreshed_at: Cell::new(0),
        }
    }

    /// The view of the service at this place.
    #[must_use]
    pub fn view(&self, service: usize) -> Option<Rc<View>> {
        self.watched.get(service).map(Watched::view)
    }

    /// Goes by this board from now on.
    pub fn adopt(&self, board: Board, services: &Services, now: Millis) {
        self.board.set(board);
        self.refresh(services, now);
    }

    /// Goes by this board from now on, which differs from the last one only in what is known of one service, or else
    /// will be adopted again soon.
    pub fn adopt_for(&self, index: usize, service: &Service, board: Board, now: Millis) {
        if let Some(watched) = self.watched.get(index) {
            let changes_at = watched.refresh(&board, service, now);
            self.changes_at.set(self.changes_at.get().min(changes_at));
        }
        self.board.set(board);
    }

    /// Makes the views anew if an ejection ended meanwhile, or the clock was set back.
    pub fn pass_time(&self, services: &Services, now: Millis) {
        if now >= self.changes_at.get() || now < self.refreshed_at.get() {
            self.refresh(services, now);
        }
    }

    fn refresh(&self, services: &Services, now: Millis) {
        let board = self.board.take();
        let all = services.all().iter().zip(&self.watched);
        let changes_at = all.map(|(service, watched)| watched.refresh(&board, service, now));
        let changes_at = changes_at.fold(Millis::MAX, Millis::min);
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
    pub fn is_new_health(&self, service: &Service, backend: BackendId, health: Health, now: Millis) -> bool {
        self.ask_board(|board| board.is_new_health(service, backend, health, now))
    }

    fn ask_board(&self, question: impl FnOnce(&Board) -> bool) -> bool {
        let board = self.board.take();
        let answer = question(&board);
        self.board.set(board);
        answer
    }

    /// What to ask about a response meant for this backend, which has so many headers.
    #[must_use]
    pub fn look(&self, service: usize, backend: BackendId, headers: usize, now: Millis) -> Look {
        self.with_traffic(service, backend, |traffic| traffic.look(headers, now)).unwrap_or(Look::Details)
    }

    /// Whether endpoints of this backend are known to carry its name.
    #[must_use]
    pub fn is_labelled(&self, service: usize, backend: BackendId) -> bool {
        self.with_traffic(service, backend, |traffic| traffic.labelled).unwrap_or(false)
    }

    /// Notes that a response meant for this backend came from an endpoint that carries a name.
    pub fn note_label(&self, service: usize, backend: BackendId) {
        self.with_traffic(service, backend, |traffic| traffic.labelled = true);
    }

    /// Notes an answer of the application's, with so many headers.
    pub fn note_answer(&self, service: usize, backend: BackendId, headers: usize) {
        if headers <= FEW_HEADERS {
            self.with_traffic(service, backend, |traffic| traffic.terse = true);
        }
    }

    fn with_traffic<T>(
        &self,
        service: usize,
        backend: BackendId,
        use_it: impl FnOnce(&mut Traffic) -> T,
    ) -> Option<T> {
        let Watched { places, traffic, .. } = self.watched.get(service)?;
        let mut traffic = traffic.try_borrow_mut().ok()?;
        traffic.get_mut(*places.get(&backend)?).map(use_it)
    }
}
