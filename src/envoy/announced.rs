//! Which configurations are in the log, so that only the first worker with a configuration logs it.

use super::host;

/// Maximum attempts to change the list while other workers change it too.
const MAX_TRIES: usize = 16;

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
        self.change(|list, fingerprint| {
            let is_new = !list.contains(&fingerprint);
            list.extend(is_new.then_some(fingerprint));
            is_new
        })
    }

    /// Removes the configuration from the list, because an update has replaced it.
    pub(super) fn remove(&self) {
        self.change(|list, fingerprint| {
            let before = list.len();
            list.retain(|other| *other != fingerprint);
            list.len() < before
        });
    }

    /// Changes the list by compare-and-swap. `change` returns whether it changed the list. Returns whether the list has
    /// changed.
    fn change(&self, change: impl Fn(&mut Vec<[u8; 8]>, [u8; 8]) -> bool) -> bool {
        (0..MAX_TRIES).any(|_| {
            let (bytes, version) = host::shared_data(&self.key);
            let mut list = bytes.as_chunks().0.to_vec();
            change(&mut list, self.fingerprint) && host::set_shared_data(&self.key, &list.concat(), version)
        })
    }
}
