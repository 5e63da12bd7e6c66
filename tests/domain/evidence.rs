//! What a response says of the backend it was meant for.

use proptest::prelude::*;
use session_affinity::evidence::{
    Evidence, from_details, is_gateway_error, of_answer_from_elsewhere, of_timeout,
};

/// Envoy's words; `tests/e2e/availability/words.rs` has Envoy say most of them.
#[test]
fn the_details_of_a_response_tell_who_failed() {
    use Evidence::{Answered, Failed, NoHost, NotConnected, Nothing, TimedOut};
    for (details, expected) in [
        ("via_upstream", Answered),
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
        ("upstream_reset_before_response_started{connection_termination}", Failed),
        ("upstream_reset_before_response_started{remote_reset}", Failed),
        ("upstream_reset_before_response_started{protocol_error}", Failed),
        ("response_timeout", TimedOut),
        ("upstream_per_try_timeout", TimedOut),
        ("upstream_per_try_idle_timeout", TimedOut),
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

/// A request's time may run out before that of the connection it waits for.
#[test]
fn a_request_that_timed_out_without_a_connection_never_reached_its_backend() {
    assert_eq!(of_timeout(false), Evidence::NotConnected);
    assert_eq!(of_timeout(true), Evidence::TimedOut);
}

/// Connections are given up after a second, slow answers after more: so the shipped files have it.
#[test]
fn an_answer_from_elsewhere_that_came_soon_tells_of_a_backend_that_could_not_be_reached() {
    for (after, expected) in [
        (0, Evidence::NotConnected),
        (1_100, Evidence::NotConnected),
        (2_499, Evidence::NotConnected),
        (2_500, Evidence::TimedOut),
        (5_000, Evidence::TimedOut),
        (u64::MAX, Evidence::TimedOut),
    ] {
        assert_eq!(of_answer_from_elsewhere(after), expected, "after {after} ms");
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
