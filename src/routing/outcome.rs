//! The outcome of a request, with the name in counters, the debug header and logs.

/// Every request that the filter serves has exactly one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No affinity: the backend was chosen by weight.
    None,
    /// The backend was chosen by consistent hash.
    Hashed,
    /// The request had no session, and a new session began.
    Assigned,
    /// The request went to the session's backend.
    Pinned,
    /// The request had an expired session, and a new session began.
    Expired,
    /// The request had an invalid token, and a new session began.
    Invalid,
    /// The backend of the session or of the hash is gone or unavailable. The request went to another backend.
    Repinned,
    /// The session's backend is gone or unavailable. The request was rejected, and the session stays.
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

    /// The index in [`ALL`](Self::ALL).
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}
