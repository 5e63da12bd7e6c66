//! The plugin configuration: any bytes, JSON text, and the same JSON as `google.protobuf.Struct`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use session_affinity::fuzzing;
use session_affinity_fuzz::as_struct;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::configuration(bytes);
    // An empty Struct has no bytes. If a field is given twice, a Struct keeps one of them.
    if let Some(as_struct) = as_struct(bytes).filter(|as_struct| !as_struct.is_empty()) {
        fuzzing::configuration(&as_struct);
        let once = serde_json::from_slice::<serde_json::Value>(bytes).map(|value| value.to_string());
        fuzzing::same_configuration(once.unwrap_or_default().as_bytes(), &as_struct);
    }
});
