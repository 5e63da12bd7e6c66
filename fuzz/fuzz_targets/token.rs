//! Tokens: any text, any payload, and any session.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use session_affinity::fuzzing::{self, Kind};
use session_affinity_fuzz::AnySession;

#[derive(Arbitrary, Debug)]
struct Sealed {
    session: AnySession,
    flipped: u16,
}

// The first byte selects the kind of token and the half of the test.
fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    if kind & 128 == 0 {
        fuzzing::any_token(Kind(*kind), rest);
    } else if let Ok(Sealed { session, flipped }) = Sealed::arbitrary(&mut arbitrary::Unstructured::new(rest))
    {
        fuzzing::sealed_token(Kind(*kind), session.into(), flipped.into());
    }
});
