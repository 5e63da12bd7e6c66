//! Tokens that were found valid before. Opening one costs twenty times as much as looking it up here, and most
//! requests bring one that this worker has seen.
//!
//! The memory is small and bounded: each token has one place, by its hash, and the last one to come there has it. Only
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
    /// The session, and the value beside it, of a token that `owner` remembered.
    #[must_use]
    pub fn recall(&self, owner: usize, text: &[u8]) -> Option<(Session, Vec<u8>)> {
        let places = self.places.try_borrow().ok()?;
        let opened = places.get(place(owner, text))?.as_ref()?;
        (opened.owner == owner && is_same(&opened.text, text)).then(|| (opened.session, opened.value.clone()))
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

/// Eight bytes at a time: a hash byte by byte would cost a fifth of what this module saves.
fn place(owner: usize, text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    let fold = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let hash = words.iter().map(|word| u64::from_le_bytes(*word)).fold(0, fold);
    let hash = rest.iter().map(|byte| u64::from(*byte)).fold(hash, fold);
    let owner = u64::try_from(owner).unwrap_or(u64::MAX);
    usize::try_from(mix(hash ^ owner) >> (u64::BITS - PLACE_BITS)).unwrap_or(0)
}

/// Whether two texts are equal. The time that this takes depends on their length alone.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let words = a_words.iter().zip(b_words).map(|(a, b)| u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b));
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| u64::from(a ^ b));
    a.len() == b.len() && words.chain(rest).fold(0, |difference, bits| difference | bits) == 0
}
