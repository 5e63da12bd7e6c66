//! A session and its life: all that an Envoy must know of it, and for how long it holds.

use std::net::SocketAddr;

use crate::backends::BackendId;

/// Wall-clock time in milliseconds since 1970.
pub type Millis = u64;

/// How far another Envoy's clock may be ahead of ours.
const CLOCK_TOLERANCE: Millis = 60_000;

/// The unit in which a session notes its last use.
const QUARTER_SECOND: Millis = 250;

/// All that a session is. It travels in the token; no Envoy keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// When it began.
    pub start: Millis,
    /// When it was last known to be used: quarter seconds after `start`, rounded up.
    pub used: u32,
    /// What is particular to it; its next choice of backend follows from this.
    pub seed: u64,
    /// The backend that its requests go to. Means nothing where a service pins endpoints alone.
    pub backend: BackendId,
    /// The endpoint that they go to, where a service pins endpoints and one is known.
    pub endpoint: Option<SocketAddr>,
    /// Whether it began over https, which `secure: AUTO` goes by.
    pub https: bool,
}

impl Session {
    /// A session that begins now, over http.
    #[must_use]
    pub const fn begin(now: Millis, seed: u64, backend: BackendId) -> Self {
        Self { start: now, used: 0, seed, backend, endpoint: None, https: false }
    }

    /// The same session, used now.
    #[must_use]
    pub fn used_at(self, now: Millis) -> Self {
        let quarters = now.saturating_sub(self.start).div_ceil(QUARTER_SECOND);
        Self { used: u32::try_from(quarters).unwrap_or(u32::MAX), ..self }
    }

    #[inline]
    fn last_use(&self) -> Millis {
        self.start.saturating_add(Millis::from(self.used).saturating_mul(QUARTER_SECOND))
    }
}

/// How long sessions of a service live. Judged by today's configuration, whatever it was when they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Seconds from the start; 0 = no end.
    pub ttl_sec: u32,
    /// Seconds without use; 0 = off.
    pub idle_timeout_sec: u32,
}

/// What a session's times say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It lives, and its last use need not be noted again yet.
    Live,
    /// It lives, and a quarter of the idle timeout went by since its last use was noted.
    Renewable,
    /// Its life is over.
    Expired,
    /// It says to have begun more than 60 s from now: no token of a sane clock.
    FromTheFuture,
}

impl Life {
    /// Where a session stands.
    #[must_use]
    #[inline]
    pub fn standing(&self, session: &Session, now: Millis) -> Standing {
        if session.start > now.saturating_add(CLOCK_TOLERANCE) {
            return Standing::FromTheFuture;
        }
        if self.ttl_sec > 0 && now.saturating_sub(session.start) >= millis(self.ttl_sec) {
            return Standing::Expired;
        }
        if self.idle_timeout_sec > 0 {
            let idle = now.saturating_sub(session.last_use());
            if idle >= millis(self.idle_timeout_sec) {
                return Standing::Expired;
            }
            if idle >= millis(self.idle_timeout_sec) / 4 {
                return Standing::Renewable;
            }
        }
        Standing::Live
    }

    /// Whole seconds that are left of the absolute life, rounded up, for `Max-Age`. `None` where it has no end.
    #[must_use]
    pub fn max_age(&self, session: &Session, now: Millis) -> Option<u64> {
        (self.ttl_sec > 0).then(|| {
            let end = session.start.saturating_add(millis(self.ttl_sec));
            end.saturating_sub(now).div_ceil(1000).min(u64::from(self.ttl_sec))
        })
    }
}

fn millis(seconds: u32) -> Millis {
    Millis::from(seconds).saturating_mul(1000)
}
