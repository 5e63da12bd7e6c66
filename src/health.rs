//! What is known of the health of backends, and what follows from it. The [`Board`] is what all workers of an
//! Envoy share; a [`View`] is what one service makes of it.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use crate::backends::{Backend, BackendId, BackendSet, Backends, Choice, IdHasher};
use crate::evidence::Evidence;
use crate::hash::{hash, mix};
use crate::service::Service;
use crate::session::Millis;

/// No ejection lasts longer.
const MAX_EJECTION: Millis = 300_000;
/// After so long without news an entry is of no use to anyone.
const FORGOTTEN: Millis = 600_000;

/// One backend of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u64);

impl Slot {
    /// The slot of a backend in the service of this name.
    #[must_use]
    pub fn of(service: &str, backend: BackendId) -> Self {
        // A service may have the name of its backend.
        Self(mix(hash(service.as_bytes()).wrapping_add(mix(backend.to_bits()))))
    }
}

/// The backends of one service by their slots.
pub type Slots = HashMap<Slot, BackendId, BuildHasherDefault<IdHasher>>;

/// What is known of one backend, where there is anything to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// Local origin failures in a row.
    local_origin_failures: u16,
    /// Gateway errors in a row.
    gateway_errors: u16,
    /// Ejections in a row.
    ejections: u16,
    /// Whether active checks hold it for unhealthy.
    unhealthy: bool,
    /// When the last ejection began; 0 = never ejected.
    ejected_at: Millis,
    /// When it ends.
    ejected_until: Millis,
    /// When this entry last changed.
    changed: Millis,
}

impl Entry {
    /// An update may have taken away what found it, and would find that it is back.
    const fn is_out(&self, service: &Service, now: Millis) -> bool {
        let failed_checks = self.unhealthy && service.health_check.is_some();
        failed_checks || (self.is_ejected(now) && service.outlier_detection.is_on())
    }

    /// An end further off than any can be is one of before the clock was set back. (Workers read the clock once a
    /// tick, so what another one wrote may be a little further off.)
    const fn is_ejected(&self, now: Millis) -> bool {
        self.ejected_until > now && self.ejected_until.saturating_sub(now) <= MAX_EJECTION.saturating_mul(2)
    }

    const fn has_failures(&self) -> bool {
        self.local_origin_failures > 0 || self.gateway_errors > 0
    }

    /// The same with nothing in its responses that speaks against it now. Its ejections still count.
    fn readmitted(self, now: Millis) -> Self {
        let ejected_until = self.ejected_until.min(now);
        Self { local_origin_failures: 0, gateway_errors: 0, ejected_until, ..self }
    }

    /// The same with nothing at all that speaks against it now.
    fn passed(self, now: Millis) -> Self {
        Self { unhealthy: false, ..self.readmitted(now) }
    }
}

/// What became of a testimony.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is no news.
    Nothing,
    /// It was noted.
    Noted,
    /// It ejected the backend, for so many milliseconds.
    Ejected(Millis),
    /// It ended the backend's ejection.
    Returned,
}

/// What active checks make certain of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// So many failed in a row.
    Fails,
    /// So many passed in a row, the first of them sent at this time.
    Passes {
        /// When the first of them was sent.
        since: Millis,
    },
}

/// What all workers of one Envoy know of all backends. Its size is bounded by the number of backends:
/// [`prune`](Self::prune) drops what has nothing to say, or has not changed for ten minutes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// In the order of their slots.
    entries: Vec<(Slot, Entry)>,
}

const ENTRY_LEN: usize = 39;

/// What one response says of one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// The backend.
    pub backend: BackendId,
    /// What it says.
    pub evidence: Evidence,
    /// Whether the backend was held to be out when it was asked: because all were, or by Envoy in the stead of
    /// another one. That it answered then ends its ejection; an answer that was still under way when it was
    /// ejected does not.
    pub was_out: bool,
}

impl Board {
    /// Reads what [`to_bytes`](Self::to_bytes) wrote. What cannot be read says nothing of any backend.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut board = Self::default();
        for (slot, entry) in bytes.as_chunks::<ENTRY_LEN>().0.iter().filter_map(decode) {
            // The last place, where `to_bytes` wrote them.
            let (Ok(place) | Err(place)) = board.place_of(slot);
            board.entries.insert(place, (slot, entry));
        }
        board
    }

    /// For the other workers.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (slot, entry) in &self.entries {
            encode(*slot, entry, &mut bytes);
        }
        bytes
    }

    /// Whether [`record`](Self::record) would change anything.
    #[must_use]
    #[inline(never)]
    pub fn is_news(&self, service: &Service, testimony: Testimony, now: Millis) -> bool {
        let Testimony { backend, evidence, was_out } = testimony;
        let entry = self.entry(service, backend);
        let ejected = entry.is_ejected(now);
        let settings = &service.outlier_detection;
        match evidence {
            Evidence::Nothing => false,
            Evidence::Answered => {
                if ejected {
                    was_out
                } else {
                    entry.has_failures()
                }
            }
            Evidence::NotConnected | Evidence::NoHost => {
                !ejected && settings.consecutive_local_origin_failure.get() > 0
            }
            Evidence::Failed => {
                !ejected && (settings.consecutive_gateway_errors.get() > 0 || entry.local_origin_failures > 0)
            }
            Evidence::TimedOut => !ejected && settings.consecutive_gateway_errors.get() > 0,
        }
    }

    /// Notes what a response said of a backend of `service`.
    pub fn record(&mut self, service: &Service, testimony: Testimony, now: Millis) -> Recorded {
        if !self.is_news(service, testimony, now) {
            return Recorded::Nothing;
        }
        let entry = self.entry(service, testimony.backend);
        let settings = &service.outlier_detection;
        let failed = match testimony.evidence {
            Evidence::Nothing => return Recorded::Nothing,
            Evidence::Answered => return self.record_answer(service, testimony.backend, now),
            Evidence::NotConnected | Evidence::NoHost => {
                let local_origin_failures = entry.local_origin_failures.saturating_add(1);
                Entry { local_origin_failures, ..entry }
            }
            Evidence::Failed | Evidence::TimedOut => {
                let failed = testimony.evidence == Evidence::Failed;
                let counted = u16::from(settings.consecutive_gateway_errors.get() > 0);
                Entry {
                    // A connection was made, which ends a row of failures to make one.
                    local_origin_failures: if failed { 0 } else { entry.local_origin_failures },
                    gateway_errors: entry.gateway_errors.saturating_add(counted),
                    ..entry
                }
            }
        };
        let reached = reaches(failed.local_origin_failures, settings.consecutive_local_origin_failure.get())
            || reaches(failed.gateway_errors, settings.consecutive_gateway_errors.get());
        self.put(service, testimony.backend, failed, now);
        if reached && self.may_eject(service, now) {
            self.eject(service, testimony.backend, now)
        } else {
            Recorded::Noted
        }
    }

    /// It answered: it has no failures in a row, and if it was out when it was asked, it is back.
    fn record_answer(&mut self, service: &Service, backend: BackendId, now: Millis) -> Recorded {
        let entry = self.entry(service, backend);
        let ejected = entry.is_ejected(now);
        if ejected && self.is_panic(service, now) {
            // All the others were given up at the same time, and may be back as well: were they out for longer,
            // all sessions would move to the one that answered first.
            self.readmit_all(service, now, |entry| entry.readmitted(now));
        } else {
            self.put(service, backend, entry.readmitted(now), now);
        }
        if ejected { Recorded::Returned } else { Recorded::Noted }
    }

    fn eject(&mut self, service: &Service, backend: BackendId, now: Millis) -> Recorded {
        let mut entry = self.entry(service, backend);
        // One that stayed in for as long as it was out begins anew.
        let last = ejection_length(service, entry.ejections);
        let relapsed = entry.ejected_until.saturating_add(last) > now;
        entry.ejections = if relapsed { entry.ejections.saturating_add(1) } else { 1 };
        let length = ejection_length(service, entry.ejections);
        entry.ejected_at = now;
        entry.ejected_until = now.saturating_add(length);
        self.put(service, backend, entry, now);
        if self.is_panic(service, now) {
            self.end_together(service, now);
        }
        Recorded::Ejected(length)
    }

    /// The last one was ejected: whichever ejection ended first would draw all sessions to its backend.
    fn end_together(&mut self, service: &Service, now: Millis) {
        let ends = service.backends.iter().map(|backend| self.entry(service, backend.id()).ejected_until);
        let last = ends.max().unwrap_or(now);
        for backend in service.backends.iter() {
            let entry = self.entry(service, backend.id());
            if entry.is_ejected(now) {
                self.put(service, backend.id(), Entry { ejected_until: last, ..entry }, now);
            }
        }
    }

    /// Whether [`set_health`](Self::set_health) would change anything.
    #[must_use]
    pub fn is_new_health(&self, service: &Service, backend: BackendId, health: Health, now: Millis) -> bool {
        let known = self.entry(service, backend);
        match health {
            // Said again now and then, lest it be forgotten.
            Health::Fails => !known.unhealthy || known.changed.saturating_add(FORGOTTEN / 2) <= now,
            Health::Passes { since } => {
                known.unhealthy || (known.is_ejected(now) && since > known.ejected_at)
            }
        }
    }

    /// Notes what active checks found of a backend of `service`. Returns whether that is news.
    pub fn set_health(&mut self, service: &Service, backend: BackendId, health: Health, now: Millis) -> bool {
        if !self.is_new_health(service, backend, health, now) {
            return false;
        }
        let known = self.entry(service, backend);
        match health {
            Health::Fails => self.put(service, backend, Entry { unhealthy: true, ..known }, now),
            // As in `record_answer`. Those that are still down fail their next check.
            Health::Passes { .. } if self.is_panic(service, now) => {
                self.readmit_all(service, now, |entry| entry.passed(now));
            }
            // Checks that pass end an ejection too: they asked since.
            Health::Passes { since } if since > known.ejected_at => {
                self.put(service, backend, known.passed(now), now);
            }
            Health::Passes { .. } => self.put(service, backend, Entry { unhealthy: false, ..known }, now),
        }
        true
    }

    fn readmit_all(&mut self, service: &Service, now: Millis, readmit: impl Fn(Entry) -> Entry) {
        for backend in service.backends.iter() {
            let entry = self.entry(service, backend.id());
            self.put(service, backend.id(), readmit(entry), now);
        }
    }

    #[inline(never)]
    fn is_panic(&self, service: &Service, now: Millis) -> bool {
        service.backends.iter().all(|backend| self.entry(service, backend.id()).is_out(service, now))
    }

    /// What is known of a backend; nothing speaks against one that is not known.
    #[inline(never)]
    fn entry(&self, service: &Service, backend: BackendId) -> Entry {
        self.get(Slot::of(&service.name, backend)).copied().unwrap_or_default()
    }

    fn get(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(self.place_of(slot).ok()?).map(|(_, entry)| entry)
    }

    fn place_of(&self, slot: Slot) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&slot, |(known, _)| *known)
    }

    #[inline(never)]
    fn put(&mut self, service: &Service, backend: BackendId, entry: Entry, now: Millis) {
        let slot = Slot::of(&service.name, backend);
        let entry = Entry { changed: now, ..entry };
        match self.place_of(slot) {
            Ok(index) => {
                if let Some((_, known)) = self.entries.get_mut(index) {
                    *known = entry;
                }
            }
            Err(index) => self.entries.insert(index, (slot, entry)),
        }
    }

    /// Drops what has nothing to say, or has not changed for long.
    pub fn prune(&mut self, now: Millis) {
        self.entries.retain(|(_, entry)| {
            let fresh = entry.changed.saturating_add(FORGOTTEN) > now;
            (entry.has_failures() || entry.ejections > 0 || entry.unhealthy) && fresh
        });
    }

    /// Whether one more ejection keeps within the allowed share.
    fn may_eject(&self, service: &Service, now: Millis) -> bool {
        let is_ejected = |backend: &&Backend| self.entry(service, backend.id()).is_ejected(now);
        let ejected = service.backends.iter().filter(is_ejected).count();
        let share = usize::try_from(service.outlier_detection.max_ejection_percent.get()).unwrap_or(0);
        ejected.saturating_add(1).saturating_mul(100) <= service.backends.iter().len().saturating_mul(share)
    }

    /// What a service makes of it now; `None` where there is nothing to say of its backends. `slots` are those of its
    /// backends, and `last` is what it made of it before.
    #[must_use]
    pub fn view(&self, service: &Service, slots: &Slots, last: &View, now: Millis) -> Option<View> {
        let known = self.entries.iter().filter_map(|(slot, entry)| Some((*slots.get(slot)?, entry)));
        let mut view = View { changes_at: Millis::MAX, ..View::healthy(&service.backends) };
        let mut out = BackendSet::default();
        let mut is_known = false;
        for (backend, entry) in known {
            is_known = true;
            if entry.is_out(service, now) {
                out.insert(backend);
            }
            if entry.is_ejected(now) {
                view.changes_at = view.changes_at.min(entry.ejected_until);
            }
            if entry.has_failures() || entry.is_ejected(now) {
                view.suspects.insert(backend);
            }
        }
        // Where all are out, none is: somebody has to answer, if only with Envoy's own error.
        view.is_panic = out.len() >= service.backends.iter().len();
        if !out.is_empty() && !view.is_panic {
            view.choice = if out == last.out {
                Rc::clone(&last.choice)
            } else {
                Rc::new(service.backends.without(&out))
            };
            view.out = out;
        }
        is_known.then_some(view)
    }
}

/// How long an ejection lasts that is the n-th in a row.
fn ejection_length(service: &Service, ejections: u16) -> Millis {
    let base = Millis::from(service.outlier_detection.base_ejection_time_sec.get()).saturating_mul(1000);
    base.saturating_mul(ejections.into()).min(MAX_EJECTION)
}

fn reaches(failures: u16, threshold: u32) -> bool {
    threshold > 0 && u32::from(failures) >= threshold
}

/// What a service goes by.
#[derive(Clone, Debug)]
pub struct View {
    /// Backends that take no request; empty where all would be.
    out: BackendSet,
    /// Backends whose every answer matters, since they failed lately.
    suspects: BackendSet,
    /// The choice among those that are left.
    choice: Rc<Choice>,
    /// When the view changes by itself.
    changes_at: Millis,
    is_panic: bool,
}

impl View {
    /// Nothing speaks against any backend.
    #[must_use]
    pub fn healthy(backends: &Backends) -> Self {
        Self {
            out: BackendSet::default(),
            suspects: BackendSet::default(),
            choice: backends.shared(),
            changes_at: Millis::MAX,
            is_panic: false,
        }
    }

    /// Whether a backend is out, be it that requests go to it all the same, since all are.
    #[must_use]
    pub fn is_out(&self, backend: BackendId) -> bool {
        self.is_panic || self.out.contains(&backend)
    }

    /// Whether a backend takes requests.
    #[must_use]
    pub fn is_available(&self, backend: BackendId) -> bool {
        !self.out.contains(&backend)
    }

    /// Whether a backend failed lately, so that every answer of it counts.
    #[must_use]
    pub fn is_suspect(&self, backend: BackendId) -> bool {
        self.suspects.contains(&backend)
    }

    /// The choice among the available backends.
    #[must_use]
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// When an ejection ends, so that the view must be made anew.
    #[must_use]
    pub const fn changes_at(&self) -> Millis {
        self.changes_at
    }
}

/// Big-endian: slot, local origin failures, gateway errors, ejections, unhealthy, ejected at, ejected until, changed.
fn encode(slot: Slot, entry: &Entry, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&slot.0.to_be_bytes());
    for count in [entry.local_origin_failures, entry.gateway_errors, entry.ejections] {
        bytes.extend_from_slice(&count.to_be_bytes());
    }
    bytes.push(u8::from(entry.unhealthy));
    for time in [entry.ejected_at, entry.ejected_until, entry.changed] {
        bytes.extend_from_slice(&time.to_be_bytes());
    }
}

fn decode(bytes: &[u8; ENTRY_LEN]) -> Option<(Slot, Entry)> {
    let (slot, rest) = bytes.split_first_chunk()?;
    let (local_origin_failures, rest) = rest.split_first_chunk()?;
    let (gateway_errors, rest) = rest.split_first_chunk()?;
    let (ejections, rest) = rest.split_first_chunk()?;
    let (&[unhealthy], rest) = rest.split_first_chunk()?;
    let (ejected_at, rest) = rest.split_first_chunk()?;
    let (ejected_until, changed) = rest.split_first_chunk()?;
    let entry = Entry {
        local_origin_failures: u16::from_be_bytes(*local_origin_failures),
        gateway_errors: u16::from_be_bytes(*gateway_errors),
        ejections: u16::from_be_bytes(*ejections),
        unhealthy: unhealthy != 0,
        ejected_at: u64::from_be_bytes(*ejected_at),
        ejected_until: u64::from_be_bytes(*ejected_until),
        changed: u64::from_be_bytes(changed.try_into().ok()?),
    };
    Some((Slot(u64::from_be_bytes(*slot)), entry))
}
