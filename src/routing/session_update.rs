//! The session of a request, and whether the session has changed.

use crate::session::{Millis, Session};

/// The session of a request, and whether the session has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum SessionUpdate {
    /// The request belongs to no session.
    #[default]
    None,
    /// A session begins.
    New(Session),
    /// The session has not changed. The client has its token.
    Unchanged(Session),
    /// The session moved or was renewed.
    Changed(Session),
    /// The filter makes a cookie with this value for `HTTP_COOKIE`. Later requests are hashed by this value.
    NewKey {
        /// The cookie's value.
        key: String,
        /// Whether the request came over https.
        https: bool,
    },
}

impl SessionUpdate {
    /// Whether the client needs a new token.
    pub(crate) const fn needs_token(&self) -> bool {
        matches!(self, Self::New(_) | Self::Changed(_) | Self::NewKey { .. })
    }

    /// The session, if there is one.
    pub(crate) const fn session(&self) -> Option<&Session> {
        match self {
            Self::New(session) | Self::Unchanged(session) | Self::Changed(session) => Some(session),
            Self::None | Self::NewKey { .. } => None,
        }
    }

    /// Whether the session has an endpoint.
    pub(crate) fn has_endpoint(&self) -> bool {
        self.session().is_some_and(|session| session.endpoint.is_some())
    }

    /// Moves the session. Returns whether this was an existing session of the client.
    pub(crate) fn relocate(&mut self, now: Millis, relocate: impl FnOnce(Session) -> Session) -> bool {
        match *self {
            Self::None | Self::NewKey { .. } => false,
            Self::New(session) => {
                *self = Self::New(relocate(session));
                false
            }
            Self::Unchanged(session) | Self::Changed(session) => {
                *self = Self::Changed(relocate(session.used_at(now)));
                true
            }
        }
    }
}
