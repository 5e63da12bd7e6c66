//! The `Set-Cookie` lines of an application, one for each line of the input. The first byte says whether there are
//! keys.

#![no_main]

use libfuzzer_sys::fuzz_target;
use session_affinity::fuzzing::{self, Kind};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, lines)) = bytes.split_first() else {
        return;
    };
    let lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    fuzzing::set_cookie(Kind(*kind), fuzzing::session([1, 2, 3, 4], None, true), lines);
});
