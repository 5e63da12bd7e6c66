//! What one response says of the backend it was meant for.

/// The result of looking at a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The application answered.
    Answered,
    /// The request never reached it: connection refused or timed out, no healthy host, unknown cluster.
    LocalOriginFailure,
    /// It was reached and failed: reset or timeout after the request was sent, or 502, 503, 504 of its own.
    GatewayError,
    /// Nothing: another filter's answer, a circuit breaker's, a route's own.
    Nothing,
}

/// The details of a response that came from upstream.
pub const VIA_UPSTREAM: &[u8] = b"via_upstream";

/// Reads `response.code_details` (Envoy's "Response Code Details"). The application's own status plays no part
/// here.
#[must_use]
pub fn from_details(details: &[u8]) -> Evidence {
    const RESET: &[u8] = b"upstream_reset_before_response_started{";
    if details == VIA_UPSTREAM {
        return Evidence::Answered;
    }
    if let Some(reason) = details.strip_prefix(RESET) {
        return from_reset(reason);
    }
    if begins_with_any(details, &["no_healthy_upstream", "cluster_not_found"]) {
        Evidence::LocalOriginFailure
    } else if begins_with_any(
        details,
        &["response_timeout", "upstream_per_try_timeout", "upstream_per_try_idle_timeout"],
    ) {
        Evidence::GatewayError
    } else {
        Evidence::Nothing
    }
}

/// The reason in a reset's details: Envoy's words, then perhaps the transport's own behind `|` or `,`.
fn from_reset(reason: &[u8]) -> Evidence {
    const NOT_CONNECTED: [&str; 4] =
        ["connection_failure", "local_connection_failure", "remote_connection_failure", "connection_timeout"];
    const FAILED: [&str; 4] =
        ["connection_termination", "remote_reset", "protocol_error", "http1_premature_upstream_half_close"];
    if begins_with_any(reason, &NOT_CONNECTED) {
        Evidence::LocalOriginFailure
    } else if begins_with_any(reason, &FAILED) {
        Evidence::GatewayError
    } else {
        Evidence::Nothing
    }
}

fn begins_with_any(text: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| text.starts_with(word.as_bytes()))
}

/// Whether a status of the application's counts as a gateway error.
#[must_use]
pub fn is_gateway_error(status: &[u8]) -> bool {
    matches!(status, b"502" | b"503" | b"504")
}
