//! A session: all its data, and the token that carries the session between client and Envoy.

pub(crate) mod key;
pub(crate) mod lifetime;
pub(crate) mod token;
pub(crate) mod token_cache;

use std::net::SocketAddr;

use crate::balance::BackendId;
pub(crate) use lifetime::{Lifetime, SessionState};

/// Wall-clock time in milliseconds since 1970.
pub(crate) type Millis = u64;

/// A session. The token contains the whole session, and no Envoy stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// When the session began.
    pub(crate) start: Millis,
    /// When the session was last used, as recorded in the token. `None`: no idle timeout was set when the token was
    /// made.
    pub(crate) last_use: Option<Millis>,
    /// Random seed of the session. Determines which backend the session moves to when it loses its own.
    pub(crate) seed: u64,
    /// The backend that the session's requests go to. Not used if the service pins only endpoints.
    pub(crate) backend: BackendId,
    /// The endpoint that the session's requests go to, if the service pins endpoints and the endpoint is known.
    pub(crate) endpoint: Option<SocketAddr>,
    /// Whether the session began over https. `secure: AUTO` depends on it.
    pub(crate) https: bool,
}

impl Session {
    /// A session that begins now.
    pub(crate) const fn new(now: Millis, seed: u64, backend: BackendId, https: bool) -> Self {
        Self { start: now, last_use: None, seed, backend, endpoint: None, https }
    }

    /// The same session, in use now.
    pub(crate) const fn used_at(self, now: Millis) -> Self {
        Self { last_use: Some(now), ..self }
    }

    /// The same session on another backend. The endpoint belonged to the old backend and is forgotten.
    pub(crate) const fn moved_to(self, backend: BackendId) -> Self {
        Self { backend, endpoint: None, ..self }
    }
}
