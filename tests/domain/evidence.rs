//! What a response says of the backend it was meant for.

use proptest::prelude::*;
use session_affinity::evidence::{Evidence, from_details, is_gateway_error};

/// Envoy's words; `tests/e2e/availability/words.rs` has Envoy say most of them.
#[test]
fn the_details_of_a_response_tell_who_failed() {
    use Evidence::{Answered, GatewayError, LocalOriginFailure, Nothing};
    for (details, expected) in [
        ("via_upstream", Answered),
        (
            "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
            LocalOriginFailure,
        ),
        ("upstream_reset_before_response_started{remote_connection_failure}", LocalOriginFailure),
        (
            "upstream_reset_before_response_started{remote_connection_failure|TLS_error:_268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED}",
            LocalOriginFailure,
        ),
        ("upstream_reset_before_response_started{local_connection_failure}", LocalOriginFailure),
        ("upstream_reset_before_response_started{connection_failure}", LocalOriginFailure),
        ("upstream_reset_before_response_started{connection_timeout}", LocalOriginFailure),
        ("no_healthy_upstream", LocalOriginFailure),
        ("cluster_not_found", LocalOriginFailure),
        ("upstream_reset_before_response_started{connection_termination}", GatewayError),
        ("upstream_reset_before_response_started{remote_reset}", GatewayError),
        ("upstream_reset_before_response_started{protocol_error}", GatewayError),
        ("response_timeout", GatewayError),
        ("upstream_per_try_timeout", GatewayError),
        ("upstream_per_try_idle_timeout", GatewayError),
        // It asks for no more than to be tried again.
        ("upstream_reset_before_response_started{remote_refused_stream_reset}", Nothing),
        // Envoy's own doing.
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
        ("upstream_reset_before_response_started{", Nothing),
    ] {
        assert_eq!(from_details(details.as_bytes()), expected, "{details}");
    }
}

#[test]
fn gateway_errors_are_those_that_gateways_answer_with() {
    for status in 100..=999 {
        let is_one = [502, 503, 504].contains(&status);
        assert_eq!(is_gateway_error(status.to_string().as_bytes()), is_one, "{status}");
    }
    assert!(!is_gateway_error(b""));
    assert!(!is_gateway_error(b"5030"));
}

proptest! {
    #[test]
    fn details_of_any_bytes_are_read(details in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = from_details(&details);
        let _ = is_gateway_error(&details);
    }
}
