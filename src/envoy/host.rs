//! Calls to Envoy through the SDK. A call that fails returns `None` and never panics.

use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType, Status};

pub(super) use super::abi::{fill_with_randomness, send_local_response, set_gauge, set_property};
pub(super) use proxy_wasm::types::Bytes;

use super::abi;
use crate::session::Millis;

/// A header map of the current stream, or of the response to a probe.
#[derive(Clone, Copy, Debug)]
pub(super) enum Headers {
    /// The headers of the request.
    Request,
    /// The headers of the response.
    Response,
    /// The headers of the response to a probe.
    ProbeResponse,
}

impl Headers {
    const fn map(self) -> MapType {
        match self {
            Self::Request => MapType::HttpRequestHeaders,
            Self::Response => MapType::HttpResponseHeaders,
            Self::ProbeResponse => MapType::HttpCallResponseHeaders,
        }
    }
}

/// A property of the current stream. `path` has the segments of the property's path, joined by NUL.
pub(super) fn property(path: &str) -> Option<Bytes> {
    hostcalls::get_property(vec![path]).ok().flatten()
}

/// The first value of a header.
pub(super) fn header(headers: Headers, name: &str) -> Option<Bytes> {
    hostcalls::get_map_value_bytes(headers.map(), name).ok().flatten()
}

/// All headers in order, with names in lower case.
pub(super) fn headers(headers: Headers) -> Vec<(String, Bytes)> {
    abi::header_pairs(headers.map())
}

/// Replaces all lines of a header with one line. On a request, Envoy then chooses the route's cluster again.
pub(super) fn set_header(headers: Headers, name: &str, value: &[u8]) {
    let _ = hostcalls::set_map_value_bytes(headers.map(), name, Some(value));
}

/// Adds a line to the header and keeps other lines of the header.
pub(super) fn add_header(headers: Headers, name: &str, value: &[u8]) {
    let _ = hostcalls::add_map_value_bytes(headers.map(), name, value);
}

/// Removes all lines of a header, if there are any.
pub(super) fn remove_header(headers: Headers, name: &str) {
    let _ = hostcalls::remove_map_value(headers.map(), name);
}

/// The wall clock.
pub(super) fn now() -> Option<Millis> {
    let since = hostcalls::get_current_time().ok()?.duration_since(UNIX_EPOCH).ok()?;
    since.as_millis().try_into().ok()
}

/// Asks Envoy for a tick in this period.
pub(super) fn tick_every(period: Duration) {
    let _ = hostcalls::set_tick_period(period);
}

/// The bytes of the plugin configuration.
pub(super) fn plugin_configuration() -> Bytes {
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok().flatten().unwrap_or_default()
}

/// Sets the log level to that of Envoy's `wasm` logger, so that lines below this level are not formatted.
pub(super) fn follow_log_level() {
    log::set_max_level(abi::log_level());
}

/// Defines a counter, and returns its id. The same name gives the same counter on every worker.
pub(super) fn define_counter(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Counter, name).ok()
}

/// Defines a gauge, and returns its id. The same name gives the same gauge on every worker.
pub(super) fn define_gauge(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Gauge, name).ok()
}

/// Adds to the counter of this id.
pub(super) fn add_to_counter(id: u32, count: u64) {
    let _ = hostcalls::increment_metric(id, i64::try_from(count).unwrap_or(i64::MAX));
}

/// Why Envoy did not send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotSent {
    /// Envoy does not know the cluster.
    UnknownCluster,
    /// A circuit breaker of the cluster is open, or the cluster has no healthy host. Envoy does not tell which.
    Refused,
}

/// Sends a GET to a cluster. Envoy later reports the response or the failure to the plugin, with the returned token.
pub(super) fn send_get(cluster: &str, host: &str, path: &str, timeout: Duration) -> Result<u32, NotSent> {
    let headers = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", host),
        (":path", path),
        ("user-agent", "session-affinity-health-check"),
    ];
    hostcalls::dispatch_http_call(cluster, headers, None, Vec::new(), timeout).map_err(
        |status| match status {
            Status::BadArgument => NotSent::UnknownCluster,
            _ => NotSent::Refused,
        },
    )
}

/// The version of a shared value. `None` before the first write.
pub(super) type Version = Option<u32>;

/// A value that all VMs with this `vm_id` share, and its version. Empty before the first write.
pub(super) fn shared_data(key: &str) -> (Bytes, Version) {
    let (value, version) = hostcalls::get_shared_data(key).unwrap_or_default();
    (value.unwrap_or_default(), version)
}

/// Writes a shared value if the value still has this version. Without a version, always writes. Returns whether the
/// value was written.
pub(super) fn set_shared_data(key: &str, value: &[u8], version: Version) -> bool {
    hostcalls::set_shared_data(key, Some(value), version).is_ok()
}

/// Creates a shared value, so that every later write compares versions.
pub(super) fn create_shared_data(key: &str) {
    if shared_data(key).1.is_none() {
        let _ = set_shared_data(key, b"", None);
    }
}

/// The key of a value that the workers of this plugin share. The key contains the plugin's name, because other plugins
/// may have the same `vm_id`.
pub(super) fn shared_key(what: &str) -> String {
    let plugin = property("plugin_name").unwrap_or_default();
    format!("session-affinity/{what}/{}", String::from_utf8_lossy(&plugin))
}

/// Maximum attempts to change a shared value while other workers change it too.
const MAX_TRIES: usize = 16;

/// Changes a shared value by compare-and-swap. `change` returns the new value, or `None` if the value stays. Returns
/// whether the value has changed. `None` if other workers were faster each time.
pub(super) fn change_shared_data(
    key: &str,
    mut change: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Option<bool> {
    for _ in 0..MAX_TRIES {
        let (value, version) = shared_data(key);
        let Some(changed) = change(&value) else {
            return Some(false);
        };
        if set_shared_data(key, &changed, version) {
            return Some(true);
        }
    }
    None
}

/// A variable of the VM's environment.
pub(super) fn environment_variable(name: &str) -> Option<String> {
    abi::environment().split(|byte| *byte == 0).find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        String::from_utf8(value.to_vec()).ok()
    })
}
