//! One backend: an Envoy cluster.

use super::hash::hash;

/// Identifies a backend in tokens and in the health table: a hash of its cluster's name. Two of a thousand backends
/// have the same id in one of 37 trillion configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BackendId(u64);

impl BackendId {
    /// The id of the backend whose cluster has this name.
    pub(crate) fn of(cluster: &str) -> Self {
        Self(hash(cluster.as_bytes()))
    }

    /// The id as a token carries it.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// The id that a token carries. It may belong to no backend.
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

    /// Its identity in tokens and in the health table.
    pub(crate) const fn id(&self) -> BackendId {
        self.id
    }

    /// Its share of new sessions.
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
