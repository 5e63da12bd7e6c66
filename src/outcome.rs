//! What became of a request: the word for it in counters, in the debug header and in logs.

/// Each request that the filter serves ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No affinity: picked by weight.
    None,
    /// The consistent choice of a hash.
    Hashed,
    /// No session came; one began.
    Assigned,
    /// The session's backend serves it.
    Pinned,
    /// A session came whose life was over; a new one began.
    Expired,
    /// What came was no token of ours; a session began.
    Invalid,
    /// The session's, or the hash's, backend is gone or unavailable: it moved.
    Repinned,
    /// The session's backend is gone or unavailable: the request was refused and the session kept.
    Rejected,
}

impl Outcome {
    /// All of them, in the order of [`index`](Self::index).
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Hashed,
        Self::Assigned,
        Self::Pinned,
        Self::Expired,
        Self::Invalid,
        Self::Repinned,
        Self::Rejected,
    ];

    /// The name in counters and in the debug header.
    #[must_use]
    pub const fn name(self) -> &'static str {
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

    /// Its place in [`ALL`](Self::ALL).
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}
