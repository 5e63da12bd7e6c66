//! Sessions that are tied to an endpoint.

use std::net::SocketAddr;

use super::*;

fn pinning(pin: &str) -> TestService {
    let mut config = generated_cookie(&json!({}));
    config["pin"] = pin.into();
    config["keys"] = json!([{ "id": "k1", "secret": SECRET }]);
    if pin == "ENDPOINT" {
        config.as_object_mut().unwrap().remove("backends");
    }
    service(&config)
}

fn endpoint() -> SocketAddr {
    "10.1.2.3:8080".parse().unwrap()
}

#[test]
fn a_session_goes_to_its_endpoint_if_the_service_pins_endpoints() {
    for (pin, backend, endpoint) in [
        ("CLUSTER", Some("b"), None),
        ("CLUSTER_AND_ENDPOINT", Some("b"), Some(endpoint())),
        ("ENDPOINT", None, Some(endpoint())),
    ] {
        // The token comes from a service that pinned both. Only the pin differs.
        let session = Session { endpoint: Some(self::endpoint()), ..begin(NOW, "b") };
        let token = pinning("CLUSTER_AND_ENDPOINT").cookie(&session);
        let decision = decide_on(&pinning(pin), &token);
        let forward = forwarded(&decision);
        assert_eq!(decision.outcome, Outcome::Pinned, "{pin}");
        assert_eq!(forward.backend.as_deref().map(Backend::cluster), backend, "{pin}");
        assert_eq!(forward.endpoint, endpoint, "{pin}");
    }
}

#[test]
fn pinning_endpoints_too_keeps_sessions_on_their_backends() {
    let token = pinning("CLUSTER").cookie(&begin(NOW, "b"));
    let decision = decide_on(&pinning("CLUSTER_AND_ENDPOINT"), &token);
    assert_eq!((decision.outcome, cluster(&decision).as_str()), (Outcome::Pinned, "b"));
    assert_eq!(forwarded(&decision).endpoint, None, "Envoy chooses one");
}

#[test]
fn a_session_that_moves_forgets_its_endpoint() {
    let service = pinning("CLUSTER_AND_ENDPOINT").without(&["b"]);
    let session = Session { endpoint: Some(endpoint()), ..begin(NOW, "b") };
    let decision = decide_on(&service, &service.cookie(&session));
    assert_eq!(decision.outcome, Outcome::Repinned);
    assert_eq!(forwarded(&decision).endpoint, None);
    assert_eq!(sent_session(&decision).unwrap().endpoint, None);
}

#[test]
fn with_only_endpoint_pins_the_filter_chooses_no_backend() {
    let request = Request::default();
    let decision = pinning("ENDPOINT").decide(&request);
    assert_eq!(decision.outcome, Outcome::Assigned);
    assert_eq!(forwarded(&decision).backend, None);
    assert!(!request.asked().contains(&Random));
}
