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

/// Sets the gauge of this id. The SDK's `record_metric` panics on a status that it does not know.
pub(super) fn set_gauge(id: u32, value: u64) {
    // SAFETY: no memory is passed.
    let _ = unsafe { proxy_record_metric(id, value) };
}

/// Sets a property of the present stream, where Envoy lets the filter. The SDK's `set_property` panics where Envoy does not:
/// another filter may own a property of that name.
pub(super) fn set_property(name: &str, value: &str) {
    // SAFETY: Envoy reads both texts, and keeps no pointer.
    let _ = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// All headers of a map, in their order. The SDK's `get_map_bytes` panics on a name that is not UTF-8, which another filter
/// can add. Such a header is left out here: no header that the filter looks for has such a name.
pub(super) fn header_pairs(map: MapType) -> Vec<(String, Vec<u8>)> {
    let (mut data, mut len) = (null_mut(), 0);
    // SAFETY: Envoy writes the pointer and the length.
    let status = unsafe { proxy_get_header_map_pairs(map as u32, &raw mut data, &raw mut len) };
    if status != OK || data.is_null() {
        return Vec::new();
    }
    // SAFETY: Envoy got the block from the SDK's allocator, which makes a boxed slice of this length, and filled it.
    let bytes = unsafe { Box::from_raw(slice_from_raw_parts_mut(data, len)) };
    decode_pairs(&bytes).unwrap_or_default()
}

/// The encoding of a header map: the number of pairs, the lengths of each name and value, then the names and values, each
/// ended by NUL. Numbers are little-endian and have 32 bits.
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

/// The level of Envoy's `wasm` logger. The SDK's `get_log_level` makes an invalid enum value of Envoy's "off", which is 6.
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

/// Answers the request here, without headers. Envoy makes a gRPC answer of it where the request is gRPC. Returns whether
/// Envoy took the answer. The SDK's `send_http_response` has no argument for `details`, which access logs show as
/// `RESPONSE_CODE_DETAILS`.
pub(super) fn send_local_response(status: u32, details: &str, body: &str) -> bool {
    // Envoy uses it for gRPC requests alone.
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

/// Fills the bytes with cryptographic randomness. Returns whether Envoy gave any.
#[cfg(target_arch = "wasm32")]
pub(super) fn fill_with_randomness(bytes: &mut [u8]) -> bool {
    // SAFETY: Envoy fills exactly these bytes.
    unsafe { wasi::random_get(bytes.as_mut_ptr(), bytes.len()) }.is_ok()
}

/// No randomness: only Envoy runs this.
#[cfg(not(any(target_arch = "wasm32", feature = "fuzzing")))]
pub(super) fn fill_with_randomness(_: &mut [u8]) -> bool {
    false
}

/// The randomness of fuzzing.
#[cfg(all(feature = "fuzzing", not(target_arch = "wasm32")))]
pub(super) fn fill_with_randomness(bytes: &mut [u8]) -> bool {
    crate::fuzzing::fill_with_randomness(bytes);
    true
}

/// The environment of the VM: lines of `NAME=value`, each ended by NUL.
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
    // SAFETY: Envoy fills the two buffers, whose sizes it has just told. The pointers are not followed.
    let filled = unsafe { wasi::environ_get(pointers.as_mut_ptr(), lines.as_mut_ptr()) };
    if filled.is_ok() { lines } else { Vec::new() }
}

/// No environment: only Envoy runs this.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn environment() -> Vec<u8> {
    Vec::new()
}
