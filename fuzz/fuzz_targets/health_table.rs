//! The health table: any bytes in shared data, then responses and health checks.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(u8, u8, u16)>, &[u8])| {
    let (steps, bytes) = input;
    session_affinity::fuzzing::health_table(bytes, &steps);
});
