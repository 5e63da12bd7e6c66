mod cookie_envelopes;
mod cookies;
mod endpoints;
mod envelopes;
mod fallback;
mod hashing;
mod lifetimes;
mod moves;

use serde_json::{Value, json};

use super::*;
use crate::testing::Question::{self, FirstCookieLine, FurtherCookieLines, Random, Seed};
use crate::testing::{
    NOW, OTHER_SECRET, Request, SECRET, TestService, UNLIKELY, begin, cluster, forwarded, p_value, randoms,
    request, request_with_header, sent_session, service,
};

/// A service with generated cookies, these further fields of `sessionAffinity`, and the backends `a`, `b` and `c`.
fn generated_cookie(fields: &Value) -> Value {
    let mut affinity = json!({ "affinityType": "GENERATED_COOKIE" });
    for (name, value) in fields.as_object().unwrap() {
        affinity[name] = value.clone();
    }
    json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] })
}

fn for_50_seconds() -> TestService {
    service(&generated_cookie(&json!({ "affinityCookieTtlSec": 50 })))
}

/// The cookie of a session that began on `b` at this time.
fn on_b(service: &TestService, start: Millis) -> String {
    service.cookie(&begin(start, "b"))
}

fn decide_on(service: &TestService, cookies: &str) -> Decision {
    service.decide(&request(NOW, 1, cookies))
}

const EQUAL: [(&str, u32); 3] = [("a", 1), ("b", 1), ("c", 1)];

#[test]
fn without_affinity_every_request_goes_by_weight() {
    let service = service(&json!({ "backends": [{ "cluster": "a", "weight": 3 }, "b"] }));
    let mut clusters = Vec::new();
    for random in randoms(10_000) {
        let request = request(NOW, random, "GCLB=x");
        let decision = service.decide(&request);
        assert_eq!((decision.outcome, &forwarded(&decision).session), (Outcome::None, &SessionUpdate::None));
        assert_eq!(request.asked(), [Random]);
        clusters.push(cluster(&decision));
    }
    assert!(p_value(clusters, &[("a", 3), ("b", 1)]) > UNLIKELY);
}

#[test]
fn a_request_without_the_cookie_begins_a_session_on_a_backend_by_weight() {
    let service = for_50_seconds();
    let mut clusters = Vec::new();
    for random in randoms(9_000) {
        let decision = service.decide(&request(NOW, random, "a=1; gclb=x; GCLB2=y"));
        let SessionUpdate::New(session) = forwarded(&decision).session else { panic!("{decision:?}") };
        assert_eq!(decision.outcome, Outcome::Assigned);
        assert_eq!((session.start, session.last_use, session.endpoint), (NOW, None, None));
        assert_eq!(session.backend, BackendId::of(&cluster(&decision)));
        clusters.push(cluster(&decision));
    }
    assert!(p_value(clusters, &EQUAL) > UNLIKELY);
}

#[test]
fn a_pinned_request_costs_one_host_call() {
    let service = for_50_seconds();
    for random in randoms(100) {
        let request = request(NOW + 49_999, random, &on_b(&service, NOW));
        let decision = service.decide(&request);
        let session = begin(NOW, "b");
        assert_eq!((decision.outcome, cluster(&decision).as_str()), (Outcome::Pinned, "b"));
        assert_eq!(forwarded(&decision).session, SessionUpdate::Unchanged(session));
        assert_eq!(request.asked(), [FirstCookieLine]);
    }
}

#[test]
fn the_scheme_is_read_only_when_a_session_begins_whose_cookie_depends_on_it() {
    for (secure, is_asked) in [("AUTO", true), ("ALWAYS", false), ("NEVER", false)] {
        let service = service(&generated_cookie(&json!({ "cookie": { "secure": secure } })));
        for https in [false, true] {
            let request = Request { https, ..Request::default() };
            let session = sent_session(&service.decide(&request)).unwrap();
            assert_eq!(session.https, https && is_asked, "{secure}");
            assert_eq!(request.asked().contains(&Question::Scheme), is_asked, "{secure}");
        }
    }
}

#[test]
fn the_outcome_of_a_new_session_depends_on_the_tokens_of_the_request() {
    let service = for_50_seconds();
    let aged = |age: i64| on_b(&service, NOW.checked_add_signed(-age).unwrap());
    for (cookies, outcome) in [
        ("GCLB=".to_owned(), Outcome::Invalid),
        ("GCLB=\u{fffd}".to_owned(), Outcome::Invalid),
        (aged(0).to_lowercase().replace("gclb", "GCLB"), Outcome::Invalid),
        (aged(50_000), Outcome::Expired),
        (aged(1_000_000_000), Outcome::Expired),
        (aged(-60_001), Outcome::Invalid),
        // An expired session takes precedence over invalid values.
        (format!("GCLB=x; {}", aged(50_000)), Outcome::Expired),
        (format!("{}; GCLB=x", aged(50_000)), Outcome::Expired),
        (format!("{}; {}", aged(-60_001), aged(50_000)), Outcome::Expired),
    ] {
        let decision = decide_on(&service, &cookies);
        assert_eq!(decision.outcome, outcome, "{cookies}");
        let SessionUpdate::New(session) = forwarded(&decision).session else { panic!("{decision:?}") };
        assert_eq!(session.start, NOW, "{cookies}");
    }
    let ahead = decide_on(&service, &aged(-60_000));
    assert_eq!(ahead.outcome, Outcome::Pinned, "the clock of another Envoy may be 60 s ahead");
}

#[test]
fn outside_the_cookies_path_no_session_is_used_and_none_begins() {
    let service = service(&generated_cookie(&json!({ "cookie": { "path": "/shop" } })));
    let on_b = on_b(&service, NOW);
    for (path, outcome) in [
        ("/shop", Outcome::Pinned),
        ("/shop/cart?x=1", Outcome::Pinned),
        ("/", Outcome::None),
        ("/shopping", Outcome::None),
        ("", Outcome::None),
    ] {
        let mut clusters = Vec::new();
        for random in randoms(300) {
            let request = Request { path: path.into(), ..request(NOW, random, &on_b) };
            let decision = service.decide(&request);
            assert_eq!((decision.outcome, sent_session(&decision)), (outcome, None), "{path}");
            clusters.push(cluster(&decision));
        }
        if outcome == Outcome::None {
            assert!(p_value(clusters, &EQUAL) > UNLIKELY, "{path} goes by weight");
        }
    }
}

#[test]
fn a_cors_preflight_without_a_token_begins_no_session() {
    let services = [
        for_50_seconds(),
        service(&json!({
            "sessionAffinity": { "affinityType": "GENERATED_HEADER", "header": { "name": "s" } },
            "backends": ["a", "b", "c"],
        })),
        service(&json!({
            "sessionAffinity": { "affinityType": "HEADER_ENVELOPE", "header": { "name": "s" } },
            "backends": ["a", "b", "c"],
        })),
        service(&json!({
            "sessionAffinity": { "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 50 },
            "backends": ["a", "b", "c"],
        })),
    ];
    for service in services {
        let preflight = Request { cors_preflight: true, ..Request::default() };
        let decision = service.decide(&preflight);
        assert_eq!(decision.outcome, Outcome::None, "{}", service.affinity.type_name());
        assert_eq!(forwarded(&decision).session, SessionUpdate::None);
    }
    // With `fallback: CLIENT_IP`, the preflight goes where the first request goes.
    for affinity_type in ["GENERATED_COOKIE", "HTTP_COOKIE"] {
        let affinity =
            json!({ "affinityType": affinity_type, "affinityCookieTtlSec": 50, "fallback": "CLIENT_IP" });
        let service = service(&json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] }));
        for random in randoms(20) {
            let first =
                Request { client_address: Some(b"10.0.0.7:1234".to_vec()), ..request(NOW, random, "") };
            let preflight = Request { cors_preflight: true, ..first.clone() };
            assert_eq!(cluster(&service.decide(&preflight)), cluster(&service.decide(&first)));
            assert_eq!(service.decide(&preflight).outcome, Outcome::None);
        }
    }
    // A token counts as in any other request.
    let service = for_50_seconds();
    for (start, outcome) in [(NOW, Outcome::Pinned), (NOW - 50_000, Outcome::Expired)] {
        let preflight = Request { cors_preflight: true, ..request(NOW, 1, &on_b(&service, start)) };
        assert_eq!(service.decide(&preflight).outcome, outcome);
    }
}

/// Any backend may answer, so a client tries the backups too.
#[test]
fn while_every_backend_is_unavailable_hashed_requests_reach_backups_too() {
    let backup = json!({ "cluster": "c", "backup": true });
    let service = service(&json!({
        "sessionAffinity": { "affinityType": "HEADER_FIELD", "header": { "name": "s" } },
        "backends": ["a", "b", backup],
    }))
    .without(&["a", "b", "c"]);
    let mut clusters = Vec::new();
    for index in 0..600 {
        let decision = service.decide(&request_with_header("s", format!("{index}").as_bytes()));
        let outcome = if cluster(&decision) == "c" { Outcome::Repinned } else { Outcome::Hashed };
        assert_eq!(decision.outcome, outcome);
        clusters.push(cluster(&decision));
    }
    assert!(p_value(clusters, &EQUAL) > UNLIKELY);
}

#[test]
fn without_randomness_no_session_begins() {
    let service = for_50_seconds();
    for cookies in ["", "GCLB=x", &on_b(&service, NOW - 50_000)] {
        let mut clusters = Vec::new();
        for random in randoms(3_000) {
            let request = Request { seed: None, ..request(NOW, random, cookies) };
            let decision = service.decide(&request);
            assert_eq!(decision.outcome, Outcome::None, "{cookies}");
            assert_eq!(forwarded(&decision).session, SessionUpdate::None);
            clusters.push(cluster(&decision));
        }
        assert!(p_value(clusters, &EQUAL) > UNLIKELY, "requests go by weight");
    }
    let request = Request { seed: None, ..request(NOW, 1, &on_b(&service, NOW)) };
    assert_eq!(service.decide(&request).outcome, Outcome::Pinned, "a token needs no randomness");
}

#[test]
fn a_new_session_takes_its_seed_from_the_hosts_cryptographic_randomness() {
    let request = Request { seed: Some(4711), ..Request::default() };
    let decision = for_50_seconds().decide(&request);
    assert_eq!(sent_session(&decision).unwrap().seed, 4711);
    assert!(request.asked().contains(&Seed));
}

#[test]
fn a_token_is_valid_only_for_the_same_service_cookie_and_secret() {
    let configured = |name: &str, cookie: &str, keys: Value| {
        let mut config = generated_cookie(&json!({ "cookie": { "name": cookie } }));
        config["name"] = name.into();
        if keys != json!([]) {
            config["keys"] = keys;
        }
        service(&config)
    };
    let key = |id: &str, secret: &str| json!({ "id": id, "secret": secret });
    let here = configured("shop", "GCLB", json!([key("k1", SECRET)]));
    let token = here.token(&begin(NOW, "b"));
    for (elsewhere, outcome) in [
        (configured("shop", "GCLB", json!([key("k1", SECRET)])), Outcome::Pinned),
        (configured("shop", "GCLB", json!([key("k2", OTHER_SECRET), key("k1", SECRET)])), Outcome::Pinned),
        // The id of a key is only for people and has no effect on tokens.
        (configured("shop", "GCLB", json!([key("k2", SECRET)])), Outcome::Pinned),
        (configured("shop", "GCLB", json!([key("k2", OTHER_SECRET)])), Outcome::Invalid),
        (configured("shop", "GCLB", json!([key("k1", OTHER_SECRET)])), Outcome::Invalid),
        (configured("shop", "GCLB", json!([])), Outcome::Invalid),
        (configured("blog", "GCLB", json!([key("k1", SECRET)])), Outcome::Invalid),
        (configured("shop", "OTHER", json!([key("k1", SECRET)])), Outcome::Invalid),
    ] {
        let name = &elsewhere.affinity.generated_cookie().unwrap().name;
        assert_eq!(decide_on(&elsewhere, &format!("{name}={token}")).outcome, outcome);
    }
}

#[test]
fn with_reject_a_session_stays_on_its_lost_backend_and_its_requests_are_rejected() {
    let mut config = generated_cookie(&json!({}));
    config["onUnavailable"] = "REJECT".into();
    let by_default = service(&config);
    config["rejectStatus"] = 599.into();
    let configured = service(&config);
    let ejected = service(&config).without(&["a"]);
    for (service, lost, status) in [(by_default, "gone", 503), (configured, "gone", 599), (ejected, "a", 599)]
    {
        let decision = decide_on(&service, &service.cookie(&begin(NOW, lost)));
        assert_eq!((decision.outcome, decision.routing), (Outcome::Rejected, Routing::Reject(status)));
        // Other requests are served.
        assert_eq!(decide_on(&service, "").outcome, Outcome::Assigned);
        assert_eq!(decide_on(&service, "GCLB=x").outcome, Outcome::Invalid);
        assert_eq!(decide_on(&service, &on_b(&service, NOW)).outcome, Outcome::Pinned);
    }
}

#[test]
fn if_every_backend_is_unavailable_sessions_stay() {
    for on_unavailable in ["REPIN", "REJECT"] {
        let mut config = generated_cookie(&json!({}));
        config["onUnavailable"] = on_unavailable.into();
        let service = service(&config).without(&["a", "b", "c"]);
        let decision = decide_on(&service, &on_b(&service, NOW));
        assert_eq!(
            (decision.outcome, cluster(&decision).as_str()),
            (Outcome::Pinned, "b"),
            "{on_unavailable}"
        );
    }
}

#[test]
fn inputs_of_any_bytes_are_decided_on() {
    let header = json!({ "name": "s" });
    let affinities = [
        json!({ "affinityType": "GENERATED_COOKIE" }),
        json!({ "affinityType": "GENERATED_COOKIE", "cookie": { "path": "/shop" } }),
        json!({ "affinityType": "CLIENT_IP" }),
        json!({ "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 50 }),
        json!({ "affinityType": "HEADER_FIELD", "header": header }),
        json!({ "affinityType": "GENERATED_HEADER", "header": header }),
        json!({ "affinityType": "HEADER_ENVELOPE", "header": header }),
    ];
    let services = affinities
        .map(|affinity| service(&json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] })));
    for random in randoms(1_000) {
        let bytes: Vec<u8> = randoms(random % 40).flat_map(|word| (word ^ random).to_be_bytes()).collect();
        let ours = [b"GCLB=".as_slice(), &bytes].concat();
        for service in &services {
            let request = Request {
                now: random,
                random,
                client_address: Some(bytes.clone()),
                cookie_lines: vec![bytes.clone(), ours.clone()],
                path: bytes.clone(),
                header: Some(("s", bytes.clone())),
                ..Request::default()
            };
            assert!(["a", "b", "c"].contains(&cluster(&service.decide(&request)).as_str()));
        }
    }
}
