//! Affinity by client address, and none at all.
