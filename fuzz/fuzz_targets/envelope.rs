//! Envelopes: a session and a value of the application.

#![no_main]

use libfuzzer_sys::fuzz_target;
use session_affinity::fuzzing::{self, Kind};
use session_affinity_fuzz::AnySession;

fuzz_target!(|input: (u8, AnySession, u16, Vec<u8>)| {
    let (kind, session, flipped, value) = input;
    fuzzing::envelope(Kind(kind), session.into(), &value, flipped.into());
});
