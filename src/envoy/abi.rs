//! Calls to Envoy for which the SDK has no safe function. This is the only file with `unsafe`.

#![allow(unsafe_code, reason = "C functions that take pointers into our own memory")]

use std::ptr::{null_mut, slice_from_raw_parts_mut};

use log::LevelFilter;
use proxy_wasm::types::MapType;

const OK: u32 = 0;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, len: *mut usize) -> u32;
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_record_metric(metric: u32, value: u64) -> u32;
    fn proxy_set_property(path: *const u8, path_len: usize, value: *const u8, value_len: usize) -> u32;
}

/// Sets the gauge with this id. The SDK's `record_metric` panics on a status that it does not know.
pub(super) fn set_gauge(id: u32, value: u64) {
    // SAFETY: no memory is passed.
    let _ = unsafe { proxy_record_metric(id, value) };
}

/// Sets a property of the current stream, if Envoy allows it. The SDK's `set_property` panics if Envoy refuses, for
/// example because another filter owns a property with that name.
pub(super) fn set_property(name: &str, value: &str) {
    // SAFETY: Envoy reads both texts, and keeps no pointer.
    let _ = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// All headers of a map, in order. Another filter can add a header whose name is not UTF-8, and the SDK's
/// `get_map_bytes` panics on such a name. This function skips such a header, because the filter never looks for one.
pub(super) fn header_pairs(map: MapType) -> Vec<(String, Vec<u8>)> {
    let (mut data, mut len) = (null_mut(), 0);
    // SAFETY: Envoy writes the pointer and the length.
    let status = unsafe { proxy_get_header_map_pairs(map as u32, &raw mut data, &raw mut len) };
    if status != OK || data.is_null() {
        return Vec::new();
    }
    // SAFETY: Envoy got the block from the SDK's allocator, which makes a boxed slice of this length, and filled the
    // block.
    let bytes = unsafe { Box::from_raw(slice_from_raw_parts_mut(data, len)) };
    decode_pairs(&bytes).unwrap_or_default()
}

/// Decodes a header map: the number of pairs, the length of each name and value, then the names and values, each
/// terminated by NUL. Numbers are little-endian and have 32 bits.
fn decode_pairs(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let (count, rest) = bytes.split_first_chunk()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (lengths, mut texts) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut texts = lengths.as_chunks().0.iter().map(|len| {
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let (text, rest) = texts.split_at_checked(len)?;
        texts = rest.get(1..)?;
        Some(text)
    });
    let mut pairs = Vec::with_capacity(count);
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        if let Ok(name) = std::str::from_utf8(name?) {
            pairs.push((name.to_owned(), value?.to_vec()));
        }
    }
    Some(pairs)
}

/// The level of Envoy's `wasm` logger. Envoy's level "off" is 6, and the SDK's `get_log_level` turns 6 into an invalid
/// enum value.
pub(super) fn log_level() -> LevelFilter {
    let mut level = 0;
    // SAFETY: Envoy writes one u32.
    let status = unsafe { proxy_get_log_level(&raw mut level) };
    match (status, level) {
        (OK, 0) => LevelFilter::Trace,
        (OK, 1) => LevelFilter::Debug,
        (OK, 3) => LevelFilter::Warn,
        (OK, 4) => LevelFilter::Error,
        (OK, 5..) => LevelFilter::Off,
        _ => LevelFilter::Info,
    }
}

/// Sends a local response without headers. If the request is gRPC, Envoy turns the response into a gRPC response.
/// Returns whether Envoy accepted the response. The SDK's `send_http_response` has no argument for `details`, which
/// access logs show as `RESPONSE_CODE_DETAILS`.
pub(super) fn send_local_response(status: u32, details: &str, body: &str) -> bool {
    // Envoy uses this status only for gRPC requests.
    const UNAVAILABLE: i32 = 14;
    let no_headers = 0_u32.to_le_bytes();
    // SAFETY: Envoy reads the details, the body and the encoded empty header map, each of the given length.
    let answered = unsafe {
        proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            no_headers.as_ptr(),
            no_headers.len(),
            UNAVAILABLE,
        )
    };
    answered == OK
}

/// Fills the bytes with cryptographic randomness. Returns whether Envoy provided it.
#[cfg(target_arch = "wasm32")]
pub(super) fn fill_with_randomness(bytes: &mut [u8]) -> bool {
    // SAFETY: Envoy fills exactly these bytes.
    unsafe { wasi::random_get(bytes.as_mut_ptr(), bytes.len()) }.is_ok()
}

/// Outside Envoy there is no randomness.
#[cfg(not(any(target_arch = "wasm32", feature = "fuzzing")))]
pub(super) fn fill_with_randomness(_: &mut [u8]) -> bool {
    false
}

/// The fixed randomness of fuzzing.
#[cfg(all(feature = "fuzzing", not(target_arch = "wasm32")))]
pub(super) fn fill_with_randomness(bytes: &mut [u8]) -> bool {
    crate::fuzzing::fill_with_randomness(bytes);
    true
}

/// The environment of the VM: entries `NAME=value`, each terminated by NUL.
#[cfg(target_arch = "wasm32")]
pub(super) fn environment() -> Vec<u8> {
    // SAFETY: Envoy writes two sizes.
    let Ok((count, size)) = (unsafe { wasi::environ_sizes_get() }) else {
        return Vec::new();
    };
    if size == 0 {
        return Vec::new();
    }
    let mut pointers = vec![std::ptr::null_mut(); count];
    let mut lines = vec![0; size];
    // SAFETY: Envoy fills the two buffers, which have the sizes that Envoy has just returned. The pointers are not
    // dereferenced.
    let filled = unsafe { wasi::environ_get(pointers.as_mut_ptr(), lines.as_mut_ptr()) };
    if filled.is_ok() { lines } else { Vec::new() }
}

/// Outside Envoy there is no environment.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn environment() -> Vec<u8> {
    Vec::new()
}
