//! Which configurations are in the log, so that only the first worker with a configuration logs it.

use super::host;

/// A configuration in the list of logged configurations, which all workers share.
#[derive(Debug)]
pub(super) struct Announced {
    key: String,
    fingerprint: [u8; 8],
}

impl Announced {
    /// The configuration with this fingerprint. It is not in the list yet.
    pub(super) fn new(fingerprint: u64) -> Self {
        let key = host::shared_key("announced");
        host::create_shared_data(&key);
        Self { key, fingerprint: fingerprint.to_be_bytes() }
    }

    /// Adds the configuration to the list. Returns false if another worker has added it.
    pub(super) fn add(&self) -> bool {
        let added = host::change_shared_data(&self.key, |list| {
            let is_new = !list.as_chunks().0.contains(&self.fingerprint);
            is_new.then(|| [list, &self.fingerprint].concat())
        });
        added == Some(true)
    }

    /// Removes the configuration from the list, because an update has replaced it.
    pub(super) fn remove(&self) {
        host::change_shared_data(&self.key, |list| {
            let fingerprints = list.as_chunks().0;
            let others: Vec<_> =
                fingerprints.iter().filter(|other| **other != self.fingerprint).copied().collect();
            (others.len() < fingerprints.len()).then(|| others.concat())
        });
    }
}
