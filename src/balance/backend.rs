//! One backend: an Envoy cluster.

use super::hash::hash;

/// Identifies a backend in tokens and in the health table: a hash of its cluster's name. The probability that two of a
/// thousand backends have the same id is 1 in 37 trillion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BackendId(u64);

impl BackendId {
    /// The id of the backend with this cluster name.
    pub(crate) fn of(cluster: &str) -> Self {
        Self(hash(cluster.as_bytes()))
    }

    /// The id as a token carries it.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// The id from a token. A configured backend with this id may not exist.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// A backend of a service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    cluster: String,
    id: BackendId,
    weight: u32,
    is_backup: bool,
}

impl Backend {
    /// The backend of this cluster. `weight` is 0 to 1000; 0 means that the backend drains.
    pub(crate) fn new(cluster: String, weight: u32, is_backup: bool) -> Self {
        Self { id: BackendId::of(&cluster), cluster, weight, is_backup }
    }

    /// The name of the Envoy cluster.
    pub(crate) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The backend's id in tokens and in the health table.
    pub(crate) const fn id(&self) -> BackendId {
        self.id
    }

    /// The backend's share of new sessions.
    pub(crate) const fn weight(&self) -> u32 {
        self.weight
    }

    /// Whether the backend gets new sessions only while no backend that is not a backup is available.
    pub(crate) const fn is_backup(&self) -> bool {
        self.is_backup
    }

    /// Whether the backend keeps its sessions and gets no new ones.
    pub(crate) const fn drains(&self) -> bool {
        self.weight == 0
    }
}
