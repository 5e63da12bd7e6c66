//! Tokens that this worker has opened before. Most requests have such a token, and a look into the cache costs a
//! twentieth of opening a token.
//!
//! The size of the cache is limited: each token has one slot, and a newer token replaces the token in the slot. Only
//! valid tokens enter the cache, so clients cannot fill it with invalid texts. The lifetime of a session is checked for
//! each request.

use std::cell::{Cell, RefCell};

use constant_time_eq::constant_time_eq;

use super::Session;
use crate::balance::hash::mix;

const SLOT_BITS: u32 = 11;
const SLOTS: usize = 1 << SLOT_BITS;
/// Maximum length of a cached text, in bytes. Longer texts are envelopes of large values.
const MAX_TEXT_LEN: usize = 512;

/// The opened tokens of all services of one worker.
#[derive(Debug, Default)]
pub(crate) struct TokenCache {
    /// Empty until the first token comes, then [`SLOTS`] long.
    slots: RefCell<Vec<Option<OpenedToken>>>,
    owners: Cell<u32>,
}

/// The owner of cached tokens: a token of one service is invalid for another service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CacheOwner(u32);

#[derive(Debug)]
struct OpenedToken {
    owner: CacheOwner,
    text: Vec<u8>,
    session: Session,
    value: Vec<u8>,
}

impl TokenCache {
    /// An owner that differs from all others.
    pub(crate) fn new_owner(&self) -> CacheOwner {
        let owner = self.owners.get();
        self.owners.set(owner.wrapping_add(1));
        CacheOwner(owner)
    }

    /// Passes the session and the application's value of a cached token to `take`. `None` if the token is not cached.
    /// The comparison takes the same time for all texts of the same length, so that a client cannot guess a token byte
    /// by byte.
    pub(crate) fn get<T>(
        &self,
        owner: CacheOwner,
        text: &[u8],
        take: impl FnOnce(&Session, &[u8]) -> T,
    ) -> Option<T> {
        let slots = self.slots.try_borrow().ok()?;
        let token = slots.get(slot(owner, text))?.as_ref()?;
        let is_same = token.owner == owner && constant_time_eq(&token.text, text);
        is_same.then(|| take(&token.session, &token.value))
    }

    /// Caches a valid token.
    pub(crate) fn insert(&self, owner: CacheOwner, text: &[u8], session: Session, value: &[u8]) {
        let Ok(mut slots) = self.slots.try_borrow_mut() else {
            return;
        };
        if text.len() > MAX_TEXT_LEN {
            return;
        }
        if slots.is_empty() {
            slots.resize_with(SLOTS, || None);
        }
        if let Some(slot) = slots.get_mut(slot(owner, text)) {
            *slot = Some(OpenedToken { owner, text: text.to_vec(), session, value: value.to_vec() });
        }
    }
}

/// The slot of a text. The end of the text determines the slot, because it is part of the authentication tag or of the
/// checksum and therefore differs between tokens.
fn slot(owner: CacheOwner, text: &[u8]) -> usize {
    let end = text.last_chunk().copied().map_or(0, u64::from_le_bytes);
    usize::try_from(mix(end ^ u64::from(owner.0)) >> (u64::BITS - SLOT_BITS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, begin};

    fn get(cache: &TokenCache, owner: CacheOwner, text: &[u8]) -> Option<(Session, Vec<u8>)> {
        cache.get(owner, text, |session, value| (*session, value.to_vec()))
    }

    #[test]
    fn a_cached_token_gives_its_session_and_value() {
        let cache = TokenCache::default();
        let owner = cache.new_owner();
        assert_eq!(get(&cache, owner, b"token"), None);
        cache.insert(owner, b"token", begin(NOW, "a"), b"value");
        for _ in 0..2 {
            assert_eq!(get(&cache, owner, b"token"), Some((begin(NOW, "a"), b"value".to_vec())));
        }
    }

    #[test]
    fn other_texts_and_other_owners_find_nothing() {
        let cache = TokenCache::default();
        let (owner, other) = (cache.new_owner(), cache.new_owner());
        cache.insert(owner, b"a long token", begin(NOW, "a"), b"");
        for text in [&b""[..], b"a", b"a long toke", b"b long token", b" a long token", b"a long token "] {
            assert_eq!(get(&cache, owner, text), None, "{text:?}");
        }
        assert_eq!(get(&cache, other, b"a long token"), None);
    }

    #[test]
    fn a_token_of_another_owner_in_the_same_slot_is_not_found() {
        let cache = TokenCache::default();
        let owner = cache.new_owner();
        cache.insert(owner, b"a long token", begin(NOW, "a"), b"");
        let same_slot = |other: &CacheOwner| slot(*other, b"a long token") == slot(owner, b"a long token");
        let other = std::iter::repeat_with(|| cache.new_owner()).find(same_slot).unwrap();
        assert_ne!(other, owner);
        assert_eq!(get(&cache, other, b"a long token"), None);
    }

    #[test]
    fn of_more_tokens_than_slots_each_is_right_or_gone() {
        let cache = TokenCache::default();
        let owner = cache.new_owner();
        let tokens: Vec<(String, Session)> =
            (0..10_000).map(|index| (format!("token-number-{index:08}"), begin(NOW + index, "a"))).collect();
        for (text, session) in &tokens {
            cache.insert(owner, text.as_bytes(), *session, b"");
            assert_eq!(get(&cache, owner, text.as_bytes()), Some((*session, Vec::new())));
        }
        let found = tokens.iter().filter(|(text, session)| {
            let found = get(&cache, owner, text.as_bytes());
            assert!(found.is_none() || found == Some((*session, Vec::new())), "{text}");
            found.is_some()
        });
        let found = found.count();
        assert!((SLOTS * 9 / 10..=SLOTS).contains(&found), "{found} of {SLOTS} slots are in use");
    }

    #[test]
    fn a_text_of_more_than_512_bytes_is_not_cached() {
        let cache = TokenCache::default();
        let owner = cache.new_owner();
        for (length, is_cached) in [(512, true), (513, false), (4096, false)] {
            let text = vec![b'x'; length];
            cache.insert(owner, &text, begin(NOW, "a"), b"");
            assert_eq!(get(&cache, owner, &text).is_some(), is_cached, "{length} bytes");
        }
    }
}
