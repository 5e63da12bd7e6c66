//! The calls made to Envoy (proxy-wasm ABI 0.2.1 and two of WASI), none of which can panic: any status but Ok is
//! "no answer". An SDK's wrappers panic on bytes that are not UTF-8 and on statuses they do not know.

#![allow(unsafe_code, reason = "the ABI is C functions and pointers into our own memory")]

mod bytes;

use std::ptr::{null, null_mut};
use std::time::Duration;

pub use bytes::{Bytes, allocate};

/// A header map of the current stream.
#[derive(Clone, Copy, Debug)]
pub enum Headers {
    /// Of the request.
    Request = 0,
    /// Of the response.
    Response = 2,
    /// Of the answer to a call of our own.
    CallResponse = 6,
}

mod abi {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
        pub fn proxy_get_log_level(level: *mut u32) -> u32;
        pub fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub fn proxy_add_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
        pub fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub fn proxy_http_call(
            cluster: *const u8,
            cluster_size: usize,
            headers: *const u8,
            headers_size: usize,
            body: *const u8,
            body_size: usize,
            trailers: *const u8,
            trailers_size: usize,
            timeout_milliseconds: u32,
            token: *mut u32,
        ) -> u32;
        pub fn proxy_set_effective_context(context: u32) -> u32;
        pub fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub fn proxy_increment_metric(id: u32, offset: i64) -> u32;
        pub fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            cas: *mut u32,
        ) -> u32;
        pub fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
            cas: u32,
        ) -> u32;
    }
}

const OK: u32 = 0;
const BAD_ARGUMENT: u32 = 2;

/// Runs a call that hands over bytes which the host put into memory it had from our `malloc`.
#[inline]
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Bytes> {
    let mut data = null_mut();
    let mut size = 0;
    if call(&raw mut data, &raw mut size) != OK {
        return None;
    }
    // SAFETY: the host had this block from our `malloc`, for exactly so many bytes.
    Some(unsafe { Bytes::take_back(data, size) })
}

/// A property of the stream, as raw bytes. `path` is its segments joined by NUL. `None` where there is none.
#[must_use]
pub fn property(path: &str) -> Option<Bytes> {
    // SAFETY: the host reads the path and writes the two results.
    bytes(|data, size| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// The first value of a header.
#[must_use]
#[inline]
pub fn header(map: Headers, name: &str) -> Option<Bytes> {
    let get = |data, size| {
        // SAFETY: the host reads the name and writes the two results.
        unsafe { abi::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size) }
    };
    bytes(get)
}

/// All headers of a map, in order.
#[must_use]
pub fn headers(map: Headers) -> HeaderPairs {
    // SAFETY: the host writes the two results.
    HeaderPairs(bytes(|data, size| unsafe { abi::proxy_get_header_map_pairs(map as u32, data, size) }))
}

/// The pairs of a header map in the ABI's encoding: their number, the sizes of each name and value, then the
/// names and values, each ended by NUL; numbers are little-endian and 32 bits wide.
#[derive(Debug)]
pub struct HeaderPairs(Option<Bytes>);

impl HeaderPairs {
    /// Name and value of each pair.
    #[must_use]
    pub fn iter(&self) -> HeaderPairsIter<'_> {
        self.split().unwrap_or(HeaderPairsIter { sizes: &[], texts: &[] })
    }

    fn split(&self) -> Option<HeaderPairsIter<'_>> {
        let (count, rest) = self.0.as_deref()?.split_first_chunk()?;
        let sizes_len = usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_mul(8)?;
        let (sizes, texts) = rest.split_at_checked(sizes_len)?;
        Some(HeaderPairsIter { sizes, texts })
    }
}

impl<'a> IntoIterator for &'a HeaderPairs {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = HeaderPairsIter<'a>;

    fn into_iter(self) -> HeaderPairsIter<'a> {
        self.iter()
    }
}

/// See [`HeaderPairs::iter`].
#[derive(Clone, Debug)]
pub struct HeaderPairsIter<'a> {
    sizes: &'a [u8],
    texts: &'a [u8],
}

impl<'a> HeaderPairsIter<'a> {
    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        let (size, sizes) = self.sizes.split_first_chunk()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        let (text, rest) = self.texts.split_at_checked(size)?;
        self.sizes = sizes;
        self.texts = rest.get(1..)?;
        Some(text)
    }
}

impl<'a> Iterator for HeaderPairsIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((self.text()?, self.text()?))
    }
}

/// Replaces all headers of a name by one. On a request this makes Envoy choose the route's cluster anew.
pub fn set_header(map: Headers, name: &str, value: &[u8]) {
    // SAFETY: the host reads name and value.
    let status = unsafe {
        abi::proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
    if status != OK {
        log::error!("session-affinity: Envoy did not set the header {name} (status {status})");
    }
}

/// Adds a header beside others of its name.
pub fn add_header(map: Headers, name: &str, value: &[u8]) {
    // SAFETY: the host reads name and value.
    let status = unsafe {
        abi::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    };
    if status != OK {
        log::error!("session-affinity: Envoy did not add the header {name} (status {status})");
    }
}

/// Removes all headers of a name, if there are any.
pub fn remove_header(map: Headers, name: &str) {
    // SAFETY: the host reads the name. Hosts differ in what they answer where there is none.
    unsafe { abi::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) };
}

/// Answers the request here, and returns whether that worked. `details` is what access logs show as
/// `RESPONSE_CODE_DETAILS`.
#[must_use]
pub fn send_local_response(status: u32, details: &str, body: &str) -> bool {
    const NO_GRPC_STATUS: i32 = -1;
    let no_headers = encode(&[]);
    // SAFETY: the host reads details, body and the encoded empty header map.
    let answered = unsafe {
        abi::proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            no_headers.as_ptr(),
            no_headers.len(),
            NO_GRPC_STATUS,
        )
    };
    if answered != OK {
        log::error!("session-affinity: Envoy did not answer with {status} (status {answered})");
    }
    answered == OK
}

/// The wall clock in milliseconds since 1970.
#[must_use]
pub fn now() -> Option<u64> {
    let mut nanoseconds = 0;
    // SAFETY: the host writes the time.
    let status = unsafe { abi::proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
    (status == OK).then_some(nanoseconds / 1_000_000)
}

/// Makes the context with this id the one that calls are about until the callback ends. Returns whether there may be
/// one: it is gone only if Envoy says so, and not if it forbids the call.
#[must_use]
pub fn enter(context: u32) -> bool {
    // SAFETY: a plain number.
    unsafe { abi::proxy_set_effective_context(context) != BAD_ARGUMENT }
}

/// Asks for a tick so many milliseconds apart.
pub fn tick_every(milliseconds: u32) {
    // SAFETY: plain numbers.
    let status = unsafe { abi::proxy_set_tick_period_milliseconds(milliseconds) };
    if status != OK {
        log::error!(
            "session-affinity: Envoy gives no tick (status {status}): counters and clock stand still"
        );
    }
}

/// The bytes of the plugin's configuration.
#[must_use]
pub fn plugin_configuration() -> Bytes {
    const PLUGIN_CONFIGURATION: u32 = 7;
    let all = |data, size| {
        // SAFETY: the host writes the two results.
        unsafe { abi::proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, usize::MAX, data, size) }
    };
    bytes(all).unwrap_or_default()
}

/// A counter, by the id that the host gave it.
#[derive(Clone, Copy, Debug)]
pub struct Counter(u32);

impl Counter {
    /// Defines it; the same name gives the same counter on every worker.
    #[must_use]
    pub fn define(name: &str) -> Option<Self> {
        const COUNTER: u32 = 0;
        let mut id = 0;
        // SAFETY: the host reads the name and writes the id.
        let status = unsafe { abi::proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &raw mut id) };
        (status == OK).then_some(Self(id))
    }

    /// Adds to it.
    pub fn add(self, count: u64) {
        // SAFETY: plain numbers.
        unsafe { abi::proxy_increment_metric(self.0, i64::try_from(count).unwrap_or(i64::MAX)) };
    }
}

/// Sends a GET to a cluster. The answer comes to the plugin under the token, a failure too. `None` where the cluster
/// is unknown or has no host to ask.
#[must_use]
pub fn get(cluster: &str, host: &str, path: &str, timeout: Duration) -> Option<u32> {
    let headers = encode(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", host),
        (":path", path),
        ("user-agent", "session-affinity-health-check"),
    ]);
    let trailers = encode(&[]);
    let timeout = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let mut token = 0;
    // SAFETY: the host reads name, headers, the empty body and trailers, and writes the token.
    let status = unsafe {
        abi::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            null(),
            0,
            trailers.as_ptr(),
            trailers.len(),
            timeout,
            &raw mut token,
        )
    };
    (status == OK).then_some(token)
}

/// A header map as [`HeaderPairs`] reads it.
fn encode(pairs: &[(&str, &str)]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = number(pairs.len()).to_vec();
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(&number(text.len()));
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// A value that all VMs of this `vm_id` share, and its version.
#[must_use]
pub fn shared_data(key: &str) -> Option<(Bytes, Version)> {
    let mut version = 0;
    let get = |data, size| {
        // SAFETY: the host reads the key and writes the three results.
        unsafe { abi::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut version) }
    };
    bytes(get).map(|value| (value, Version(version)))
}

/// Which writing of a shared value was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Version(u32);

/// Stores a shared value if it is still of this version, or, for the default version, whatever is there. Returns
/// whether it was.
#[must_use]
pub fn set_shared_data(key: &str, value: &[u8], version: Version) -> bool {
    // SAFETY: the host reads key and value.
    let status = unsafe {
        abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version.0)
    };
    status == OK
}

/// Cryptographic randomness. `None` where the host gives none.
#[must_use]
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    fill_randomly(&mut bytes).then_some(bytes)
}

#[cfg(target_arch = "wasm32")]
fn fill_randomly(bytes: &mut [u8]) -> bool {
    // SAFETY: the host fills exactly this slice.
    unsafe { wasi::random_get(bytes.as_mut_ptr(), bytes.len()) }.is_ok()
}

#[cfg(not(target_arch = "wasm32"))]
fn fill_randomly(_bytes: &mut [u8]) -> bool {
    false
}

/// The value of one of the VM's environment variables, if it is there and UTF-8.
#[must_use]
pub fn environment_variable(name: &str) -> Option<String> {
    environment().split(|byte| *byte == 0).find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        String::from_utf8(value.to_vec()).ok()
    })
}

/// All environment variables, each as `NAME=value` and a NUL.
#[cfg(target_arch = "wasm32")]
fn environment() -> Vec<u8> {
    use wasi::wasi_snapshot_preview1::{environ_get, environ_sizes_get};
    let (mut count, mut size) = (0_usize, 0_usize);
    // SAFETY: the host writes the two sizes. Should it write none, there is nothing.
    let status = unsafe { environ_sizes_get((&raw mut count) as i32, (&raw mut size) as i32) };
    if status != 0 || size == 0 {
        return Vec::new();
    }
    let mut pointers: Vec<*mut u8> = vec![null_mut(); count];
    let mut block = vec![0_u8; size];
    // SAFETY: the host fills the two buffers, whose sizes it named itself, with pointers into the second and with lines
    // that end in NUL. The pointers are not followed.
    let status = unsafe { environ_get(pointers.as_mut_ptr() as i32, block.as_mut_ptr() as i32) };
    if status == 0 { block } else { Vec::new() }
}

#[cfg(not(target_arch = "wasm32"))]
fn environment() -> Vec<u8> {
    Vec::new()
}

/// Sends the `log` crate's records, and the message of a panic that should not be, to Envoy's `wasm` logger. Runs
/// while the module is initialised, when no call to the host is allowed yet.
pub fn start_logging() {
    static LOGGER: Logger = Logger;
    // Fails where a logger is set already, which then logs.
    let _ = log::set_logger(&LOGGER);
    std::panic::set_hook(Box::new(|panic| {
        const CRITICAL: u32 = 5;
        log_line(CRITICAL, &format!("session-affinity: {panic}"));
    }));
}

/// Takes over the level at which Envoy logs, so that nothing is formatted in vain.
pub fn follow_log_level() {
    let mut level = 0;
    // SAFETY: the host writes the level.
    let status = unsafe { abi::proxy_get_log_level(&raw mut level) };
    log::set_max_level(match (status, level) {
        (OK, 0) => log::LevelFilter::Trace,
        (OK, 1) => log::LevelFilter::Debug,
        (OK, 3) => log::LevelFilter::Warn,
        (OK, 4) => log::LevelFilter::Error,
        (OK, 5) => log::LevelFilter::Off,
        _ => log::LevelFilter::Info,
    });
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = match record.level() {
            log::Level::Trace => 0,
            log::Level::Debug => 1,
            log::Level::Info => 2,
            log::Level::Warn => 3,
            log::Level::Error => 4,
        };
        log_line(level, &record.args().to_string());
    }

    fn flush(&self) {}
}

fn log_line(level: u32, line: &str) {
    // SAFETY: the host reads the line. Should it refuse, there is nobody left to tell.
    unsafe { abi::proxy_log(level, line.as_ptr(), line.len()) };
}
