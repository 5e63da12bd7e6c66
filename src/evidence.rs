//! What one response says of the backend it was meant for.

use crate::session::Millis;

/// The result of looking at a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The application answered.
    Answered,
    /// The endpoint that was chosen could not be reached: connection refused or timed out. A local origin failure.
    NotConnected,
    /// There was no endpoint to choose: none is healthy, or the cluster is unknown. A local origin failure.
    NoHost,
    /// It was reached and failed: reset after the request was sent, or 502, 503, 504 of its own. A gateway error.
    Failed,
    /// The time ran out. A gateway error where a connection had been made, which the details do not tell; see
    /// [`of_timeout`].
    TimedOut,
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
        Evidence::NoHost
    } else if begins_with_any(
        details,
        &["response_timeout", "upstream_per_try_timeout", "upstream_per_try_idle_timeout"],
    ) {
        Evidence::TimedOut
    } else {
        Evidence::Nothing
    }
}

/// The reason in a reset's details: Envoy's words, then perhaps the transport's own behind `|` or `,`.
fn from_reset(reason: &[u8]) -> Evidence {
    const NOT_CONNECTED: [&str; 4] =
        ["connection_failure", "local_connection_failure", "remote_connection_failure", "connection_timeout"];
    const FAILED: [&str; 4] =
        ["connection_termination", "remote_reset", "protocol_error", "HTTP/1_premature_upstream_half_close"];
    if begins_with_any(reason, &NOT_CONNECTED) {
        Evidence::NotConnected
    } else if begins_with_any(reason, &FAILED) {
        Evidence::Failed
    } else {
        Evidence::Nothing
    }
}

/// What a timeout says, given whether a connection had been made: a request's time may run out before that of the
/// connection it waits for.
#[must_use]
pub const fn of_timeout(connected: bool) -> Evidence {
    if connected { Evidence::TimedOut } else { Evidence::NotConnected }
}

/// An answer that came from elsewhere sooner than this did so because the backend could not be reached.
const SOON: Millis = 2_500;

/// What an answer from elsewhere says of the backend that was chosen: Envoy does not tell why it went on. One that
/// came late did so because the first try ran out of time, as a slow answer does too.
#[must_use]
pub const fn of_answer_from_elsewhere(after: Millis) -> Evidence {
    if after < SOON { Evidence::NotConnected } else { Evidence::TimedOut }
}

#[inline(never)]
fn begins_with_any(text: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| text.starts_with(word.as_bytes()))
}

/// Whether a status of the application's counts as a gateway error.
#[must_use]
pub fn is_gateway_error(status: &[u8]) -> bool {
    matches!(status, b"502" | b"503" | b"504")
}
