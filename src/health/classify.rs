//! What a response says about the chosen backend.

/// What a response says about a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseClass {
    /// The application answered.
    Answered,
    /// The chosen endpoint could not be reached: connection refused or timed out. A local origin failure.
    NotConnected,
    /// There was no endpoint to choose: none is healthy, or the cluster is unknown. A local origin failure.
    NoHost,
    /// The backend was reached and failed. A gateway error.
    GatewayError,
    /// The request timed out. A gateway error if the request had been sent, see [`of_timeout`].
    TimedOut,
    /// Another backend answered: within the request, Envoy retried on another backend. The retry policy names the
    /// possible reasons, but Envoy does not report which one it was. A gateway error if gateway errors count, else a
    /// local origin failure.
    AnsweredElsewhere,
    /// Nothing: another filter, a circuit breaker or the route itself answered.
    Nothing,
}

/// Details of an upgrade that the application declined with its own response.
const DECLINED_UPGRADE: &[u8] = b"websocket_handshake_unsuccessful";

/// Classifies a response by `response.code_details`, which Envoy sets for HTTP and gRPC alike, even if
/// `local_reply_config` changes the status (see "Response Code Details" in Envoy's documentation).
pub(crate) fn classify(details: &[u8]) -> ResponseClass {
    if details == b"via_upstream" || details == DECLINED_UPGRADE {
        return ResponseClass::Answered;
    }
    if let Some(reason) = details.strip_prefix(b"upstream_reset_before_response_started{") {
        return classify_reset(reason);
    }
    if starts_with_any(details, &["no_healthy_upstream", "cluster_not_found"]) {
        ResponseClass::NoHost
    } else if starts_with_any(
        details,
        &["response_timeout", "upstream_per_try_timeout", "upstream_per_try_idle_timeout"],
    ) {
        ResponseClass::TimedOut
    } else {
        ResponseClass::Nothing
    }
}

/// The reason is Envoy's name for the reset, sometimes followed by `|` or `,` and the transport's reason.
fn classify_reset(reason: &[u8]) -> ResponseClass {
    const NOT_CONNECTED: [&str; 4] =
        ["connection_failure", "local_connection_failure", "remote_connection_failure", "connection_timeout"];
    const FAILED: [&str; 4] =
        ["connection_termination", "remote_reset", "protocol_error", "HTTP/1_premature_upstream_half_close"];
    if starts_with_any(reason, &NOT_CONNECTED) {
        ResponseClass::NotConnected
    } else if starts_with_any(reason, &FAILED) {
        ResponseClass::GatewayError
    } else {
        ResponseClass::Nothing
    }
}

/// The class of a timeout. A request that was never sent waited for a connection of a full pool. This is a limit of
/// Envoy and says nothing about the backend.
pub(crate) const fn of_timeout(was_sent: bool) -> ResponseClass {
    if was_sent { ResponseClass::GatewayError } else { ResponseClass::Nothing }
}

/// The class of a response from the application. `grpc_status` is the `grpc-status` of a gRPC response that consists of
/// headers alone; 14 is UNAVAILABLE.
pub(crate) fn of_answer(status: &[u8], grpc_status: Option<&[u8]>) -> ResponseClass {
    if matches!(status, b"502" | b"503" | b"504") || grpc_status == Some(b"14") {
        ResponseClass::GatewayError
    } else {
        ResponseClass::Answered
    }
}

fn starts_with_any(text: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| text.starts_with(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ResponseClass::{Answered, GatewayError, NoHost, NotConnected, Nothing, TimedOut};
    use super::*;

    /// Envoy's response code details. `tests/e2e/availability/words.rs` makes a real Envoy produce most of them.
    #[test]
    fn the_details_of_a_response_name_its_class() {
        for (details, expected) in [
            ("via_upstream", Answered),
            // The application declined an upgrade with its own response.
            ("websocket_handshake_unsuccessful", Answered),
            (
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
                NotConnected,
            ),
            ("upstream_reset_before_response_started{remote_connection_failure}", NotConnected),
            (
                "upstream_reset_before_response_started{remote_connection_failure|TLS_error:_268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED}",
                NotConnected,
            ),
            ("upstream_reset_before_response_started{local_connection_failure}", NotConnected),
            ("upstream_reset_before_response_started{connection_failure}", NotConnected),
            ("upstream_reset_before_response_started{connection_timeout}", NotConnected),
            ("no_healthy_upstream", NoHost),
            ("cluster_not_found", NoHost),
            ("upstream_reset_before_response_started{connection_termination}", GatewayError),
            ("upstream_reset_before_response_started{remote_reset}", GatewayError),
            ("upstream_reset_before_response_started{protocol_error}", GatewayError),
            ("upstream_reset_before_response_started{HTTP/1_premature_upstream_half_close}", GatewayError),
            ("response_timeout", TimedOut),
            ("upstream_per_try_timeout", TimedOut),
            ("upstream_per_try_idle_timeout", TimedOut),
            // The backend asks for a retry.
            ("upstream_reset_before_response_started{remote_refused_stream_reset}", Nothing),
            // Envoy's own limits, and local responses of Envoy.
            ("upstream_reset_before_response_started{overflow}", Nothing),
            ("upstream_reset_before_response_started{local_reset}", Nothing),
            ("upstream_reset_before_response_started{overload_manager_reset}", Nothing),
            ("direct_response", Nothing),
            ("route_not_found", Nothing),
            ("maintenance_mode", Nothing),
            ("rate_limited", Nothing),
            ("stream_idle_timeout", Nothing),
            ("request_overall_timeout", Nothing),
            ("session_affinity_backend_unavailable", Nothing),
            ("", Nothing),
            ("via_upstream_or_not", Nothing),
            ("VIA_UPSTREAM", Nothing),
            ("websocket_handshake_unsuccessful_or_not", Nothing),
            ("upstream_reset_before_response_started{", Nothing),
        ] {
            assert_eq!(classify(details.as_bytes()), expected, "{details}");
        }
    }

    #[test]
    fn a_timeout_is_a_gateway_error_only_if_the_request_was_sent() {
        assert_eq!(of_timeout(true), GatewayError);
        assert_eq!(of_timeout(false), Nothing);
    }

    #[test]
    fn answers_of_gateways_are_gateway_errors() {
        for status in 100..=999 {
            let class = of_answer(status.to_string().as_bytes(), None);
            let expected = if [502, 503, 504].contains(&status) { GatewayError } else { Answered };
            assert_eq!(class, expected, "{status}");
        }
        assert_eq!(of_answer(b"", None), Answered);
        assert_eq!(of_answer(b"5030", None), Answered);
    }

    #[test]
    fn the_grpc_status_unavailable_is_a_gateway_error() {
        for status in 0..=20 {
            let expected = if status == 14 { GatewayError } else { Answered };
            assert_eq!(of_answer(b"200", Some(status.to_string().as_bytes())), expected, "{status}");
        }
        for odd in [&b""[..], b"014", b"14 ", b"UNAVAILABLE"] {
            assert_eq!(of_answer(b"200", Some(odd)), Answered, "{odd:?}");
        }
    }

    proptest! {
        #[test]
        fn details_and_statuses_of_any_bytes_are_classified(
            details in prop::collection::vec(any::<u8>(), 0..200), grpc_status: Option<Vec<u8>>
        ) {
            let _ = classify(&details);
            let _ = of_answer(&details, grpc_status.as_deref());
        }
    }
}
