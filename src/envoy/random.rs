//! Randomness. Each call from the VM to Envoy is expensive, so one call draws many bytes.

use std::cell::{Cell, RefCell};

use super::host;
use crate::balance::hash::mix;

/// Number of bytes that one call draws.
const DRAWN: usize = 1024;

/// The randomness of one worker.
#[derive(Debug)]
pub(super) struct Random {
    /// Bytes that were drawn and are not used yet.
    pool: RefCell<Vec<u8>>,
    /// The state of the pseudo-random generator that spreads load.
    state: Cell<u64>,
}

impl Random {
    /// `fallback` seeds the pseudo-random generator if the host gives no randomness.
    pub(super) fn new(fallback: u64) -> Self {
        let this = Self { pool: RefCell::default(), state: Cell::new(fallback) };
        if let Some(seed) = this.secret() {
            this.state.set(u64::from_ne_bytes(seed));
        }
        this
    }

    /// Cryptographic randomness. No bytes are returned twice. `None` if the host gives none.
    pub(super) fn secret<const N: usize>(&self) -> Option<[u8; N]> {
        let mut pool = self.pool.try_borrow_mut().ok()?;
        if pool.len() < N {
            let mut drawn = [0; DRAWN];
            if !host::fill_with_randomness(&mut drawn) {
                return None;
            }
            pool.extend_from_slice(&drawn);
        }
        let rest = pool.len().checked_sub(N)?;
        let secret = pool.get(rest..)?.try_into().ok()?;
        pool.truncate(rest);
        Some(secret)
    }

    /// A number that is uniform over 64 bits, to spread load. Not suitable for secrets: `SplitMix64` (Steele, Lea and
    /// Flood 2014).
    pub(super) fn number(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        mix(state)
    }
}
