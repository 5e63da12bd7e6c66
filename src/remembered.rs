//! Tokens that were found valid before. Opening one costs twenty times as much as looking it up here, and most
//! requests bring one that this worker has seen.
//!
//! The memory is small and bounded: each token has one place, and the last one to come there has it. Only
//! valid tokens are kept, so clients cannot fill it with rubbish. What a session's times say of it is judged each
//! time anew.

use std::cell::RefCell;

use crate::hash::mix;
use crate::session::Session;

/// So many tokens one worker remembers.
const PLACES: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 11;
/// Longer texts, envelopes of large values, are opened each time.
const MAX_TEXT_LEN: usize = 512;

/// The tokens of all services of one worker.
#[derive(Debug, Default)]
pub struct Remembered {
    /// As many as [`PLACES`], from the first token on.
    places: RefCell<Vec<Option<Opened>>>,
}

/// One token and what is in it.
#[derive(Debug)]
struct Opened {
    owner: usize,
    text: Vec<u8>,
    session: Session,
    value: Vec<u8>,
}

impl Remembered {
    /// What `take` takes of the session, and the value beside it, of a token that `owner` remembered.
    #[must_use]
    #[inline]
    pub fn recall<T>(&self, owner: usize, text: &[u8], take: impl FnOnce(&Session, &[u8]) -> T) -> Option<T> {
        let places = self.places.try_borrow().ok()?;
        let opened = places.get(place(owner, text))?.as_ref()?;
        (opened.owner == owner && is_same(&opened.text, text)).then(|| take(&opened.session, &opened.value))
    }

    /// Remembers a valid token of `owner`'s.
    pub fn note(&self, owner: usize, text: &[u8], session: Session, value: &[u8]) {
        let Ok(mut places) = self.places.try_borrow_mut() else {
            return;
        };
        if text.len() > MAX_TEXT_LEN {
            return;
        }
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        if let Some(place) = places.get_mut(place(owner, text)) {
            *place = Some(Opened { owner, text: text.to_vec(), session, value: value.to_vec() });
        }
    }
}

/// By the end of the text: that is a part of the tag, or of the checksum, which differ from token to token.
#[inline]
fn place(owner: usize, text: &[u8]) -> usize {
    let end = text.last_chunk().copied().map_or(0, u64::from_le_bytes);
    let owner = u64::try_from(owner).unwrap_or(u64::MAX);
    usize::try_from(mix(end ^ owner) >> (u64::BITS - PLACE_BITS)).unwrap_or(0)
}

/// Whether two texts are equal. The time that this takes depends on their length alone.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    // The rest, with some that was compared already.
    let end = [a, b].map(|text| text.last_chunk().map_or(0, |word| u64::from_le_bytes(*word)));
    let [end_a, end_b] = end;
    let compare = |difference, (a, b): (&[u8; 8], &[u8; 8])| {
        difference | (u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b))
    };
    a.len() == b.len() && a.len() >= 8 && words.fold(end_a ^ end_b, compare) == 0
}
