//! What Envoy says about the upstream of a response: who answered, and how.

use std::net::SocketAddr;

use super::host::{self, Bytes, Headers};
use crate::balance::BackendId;
use crate::headers::endpoint;
use crate::health::ResponseClass;
use crate::health::classify::{classify, of_answer};

/// The class according to Envoy's response code details.
pub(super) fn class_by_details() -> ResponseClass {
    classify(&host::property("response\0code_details").unwrap_or_default())
}

/// The class of a response from the application.
pub(super) fn class_of_answer() -> ResponseClass {
    let status = host::header(Headers::Response, ":status").unwrap_or_default();
    of_answer(&status, grpc_status().as_deref())
}

/// The `grpc-status` in the headers of a gRPC response.
fn grpc_status() -> Option<Bytes> {
    host::header(Headers::Response, "grpc-status").filter(|_| is_grpc())
}

/// Whether the response is a gRPC response.
pub(super) fn is_grpc() -> bool {
    let content_type = host::header(Headers::Response, "content-type").unwrap_or_default();
    content_type.starts_with(b"application/grpc")
}

/// Whether the request that timed out had a connection. Otherwise the request waited for a connection of a full pool.
pub(super) fn was_sent() -> bool {
    host::property("upstream\0cx_pool_ready_duration").is_some()
}

/// Whether Envoy has sent the request once, without a retry.
pub(super) fn is_first_attempt() -> bool {
    let attempts = host::property("upstream\0request_attempt_count");
    attempts.and_then(|count| count.try_into().ok()).is_none_or(|count| i64::from_le_bytes(count) <= 1)
}

/// The backend that the metadata of the answering endpoint names.
pub(super) fn answering_backend() -> Option<BackendId> {
    let name = host::property("xds\0upstream_host_metadata\0filter_metadata\0session_affinity\0backend")?;
    Some(BackendId::of(std::str::from_utf8(&name).ok()?))
}

/// The endpoint that answered.
pub(super) fn answering_endpoint() -> Option<SocketAddr> {
    endpoint::parse(&host::property("upstream\0address")?)
}

/// The name of the route that the request took. Empty for a route without a name.
pub(super) fn route_name() -> Bytes {
    host::property("xds\0route_name").unwrap_or_default()
}

/// The name of the cluster that the request went to.
pub(super) fn cluster_name() -> Bytes {
    host::property("xds\0cluster_name").unwrap_or_default()
}
