//! What became of a request, in the word that counters, the debug header and logs use.

/// Every request that the filter serves has exactly one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No affinity: the backend was chosen by weight.
    None,
    /// The backend was chosen by consistent hash.
    Hashed,
    /// The request brought no session, and one began.
    Assigned,
    /// The request went to the session's backend.
    Pinned,
    /// The request brought a session that had ended, and a new one began.
    Expired,
    /// The request brought something that is no valid token, and a session began.
    Invalid,
    /// The backend of the session, or of the hash, is gone or unavailable: the request went to another.
    Repinned,
    /// The session's backend is gone or unavailable: the request was rejected, and the session stays.
    Rejected,
}

impl Outcome {
    /// All outcomes, in the order of [`index`](Self::index).
    pub(crate) const ALL: [Self; 8] = [
        Self::None,
        Self::Hashed,
        Self::Assigned,
        Self::Pinned,
        Self::Expired,
        Self::Invalid,
        Self::Repinned,
        Self::Rejected,
    ];

    /// The name in counters, in the debug header and in logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hashed => "hashed",
            Self::Assigned => "assigned",
            Self::Pinned => "pinned",
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::Repinned => "repinned",
            Self::Rejected => "rejected",
        }
    }

    /// The place in [`ALL`](Self::ALL).
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}
