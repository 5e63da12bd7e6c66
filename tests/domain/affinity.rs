//! Decisions on single requests.

use serde_json::{Value, json};
use session_affinity::affinity::{Decision, Facts, Needs, Part, Verdict};
use session_affinity::outcome::Outcome;
use session_affinity::session::{Millis, Session};

use crate::support::{
    NOW, OTHER_SECRET, One, SECRET, begin, cluster, cookie, news, p_value, part, randoms, request, service,
    session,
};

fn generated_cookie(session_affinity: &Value) -> Value {
    let mut affinity = json!({ "affinityType": "GENERATED_COOKIE" });
    for (name, value) in session_affinity.as_object().unwrap() {
        affinity[name] = value.clone();
    }
    json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] })
}

fn sessions() -> One {
    service(&generated_cookie(&json!({ "affinityCookieTtlSec": 50 })))
}

/// The cookie of a session on `b` that began at `start`.
fn on_b(service: &One, start: Millis) -> String {
    cookie(service, &begin(start, "b"))
}

fn decide<'a>(service: &'a One, cookies: &str) -> Decision<'a> {
    service.decide(&request(NOW, 0, cookies))
}

#[test]
fn without_affinity_every_request_goes_by_weight() {
    let service = service(&json!({ "backends": [{ "cluster": "a", "weight": 3 }, "b"] }));
    assert_eq!(service.needs(), Needs::Nothing);
    let mut clusters = Vec::new();
    for random in randoms(10_000) {
        let decision = service.decide(&request(NOW, random, "GCLB=x"));
        assert_eq!((decision.outcome, news(&decision)), (Outcome::None, None));
        clusters.push(cluster(&decision));
    }
    assert!(p_value(clusters, &[("a", 3), ("b", 1)]) > 0.001);
}

#[test]
fn a_client_address_goes_to_one_backend_whatever_else_differs() {
    let config = json!({ "sessionAffinity": { "affinityType": "CLIENT_IP" }, "backends": ["a", "b", "c"] });
    let (service, elsewhere) = (service(&config), service(&config));
    assert_eq!(service.needs(), Needs::ClientAddress);
    for host in 0..100 {
        let address = format!("10.0.0.{host}:4711");
        let facts =
            |now, random| Facts { client_address: address.as_bytes(), now, random, ..Facts::default() };
        let first = service.decide(&facts(NOW, 1));
        assert_eq!((first.outcome, news(&first)), (Outcome::Hashed, None));
        assert_eq!(cluster(&elsewhere.decide(&facts(NOW + 1_000_000, 2))), cluster(&first));
    }
}

#[test]
fn a_client_without_an_address_goes_by_weight() {
    let config = json!({ "sessionAffinity": { "affinityType": "CLIENT_IP" }, "backends": ["a", "b", "c"] });
    let service = service(&config);
    for address in ["", "/tmp/socket", "\u{fffd}"] {
        let mut clusters = Vec::new();
        for random in randoms(3_000) {
            let facts = Facts { client_address: address.as_bytes(), random, ..Facts::default() };
            let decision = service.decide(&facts);
            assert_eq!(decision.outcome, Outcome::None);
            clusters.push(cluster(&decision));
        }
        assert!(p_value(clusters, &[("a", 1), ("b", 1), ("c", 1)]) > 0.001);
    }
}

#[test]
fn a_request_without_the_cookie_begins_a_session_on_a_backend_by_weight() {
    let service = sessions();
    assert!(matches!(service.needs(), Needs::Cookies(cookie) if cookie.name == "GCLB"));
    let mut clusters = Vec::new();
    for random in randoms(9_000) {
        let decision = service.decide(&request(NOW, random, "a=1; gclb=x; GCLB2=y"));
        assert_eq!(decision.outcome, Outcome::Assigned);
        assert!(matches!(part(&decision), Part::First(_)));
        let begun = session(&decision);
        assert_eq!(
            (begun.start, begun.used, begun.backend),
            (NOW, 0, session_affinity::backends::BackendId::of(cluster(&decision)))
        );
        clusters.push(cluster(&decision));
    }
    assert!(p_value(clusters, &[("a", 1), ("b", 1), ("c", 1)]) > 0.001);
}

#[test]
fn a_living_session_goes_where_it_says_and_is_told_nothing() {
    let service = sessions();
    for random in randoms(100) {
        let decision = service.decide(&request(NOW + 49_999, random, &on_b(&service, NOW)));
        assert_eq!((decision.outcome, cluster(&decision), news(&decision)), (Outcome::Pinned, "b", None));
    }
}

#[test]
fn what_comes_instead_of_a_living_session_begins_a_new_one_and_says_why() {
    let service = sessions();
    let on_b = |age: i64| on_b(&service, NOW.checked_add_signed(-age).unwrap());
    for (cookies, outcome) in [
        ("GCLB=".to_owned(), Outcome::Invalid),
        ("GCLB=\u{fffd}".to_owned(), Outcome::Invalid),
        (on_b(0).to_lowercase().replace("gclb", "GCLB"), Outcome::Invalid),
        (on_b(50_000), Outcome::Expired),
        (on_b(1_000_000_000), Outcome::Expired),
        (on_b(-60_001), Outcome::Invalid),
        // One that was ours once says more than any number that never were.
        (format!("GCLB=x; {}", on_b(50_000)), Outcome::Expired),
        (format!("{}; GCLB=x", on_b(50_000)), Outcome::Expired),
        (format!("{}; {}", on_b(-60_001), on_b(50_000)), Outcome::Expired),
    ] {
        let decision = decide(&service, &cookies);
        assert_eq!(decision.outcome, outcome, "{cookies}");
        assert!(matches!(part(&decision), Part::First(session) if session.start == NOW), "{cookies}");
    }
    assert_eq!(
        decide(&service, &on_b(-60_000)).outcome,
        Outcome::Pinned,
        "a clock 60 s ahead is none the worse"
    );
}

#[test]
fn of_several_cookies_the_first_living_one_counts() {
    let service = sessions();
    let on_c = cookie(&service, &begin(NOW, "c"));
    let (on_b, expired) = (on_b(&service, NOW), on_b(&service, NOW - 50_000));
    for (cookies, expected) in [
        (format!("{on_b}; {on_c}"), "b"),
        (format!("{on_c}; {on_b}"), "c"),
        (format!("GCLB=x; {on_c}; {on_b}"), "c"),
        (format!("{expired}; {on_c}"), "c"),
        (format!("a=1; {expired}; b=2; GCLB=; c=3; {on_b}"), "b"),
    ] {
        let decision = decide(&service, &cookies);
        assert_eq!((decision.outcome, cluster(&decision)), (Outcome::Pinned, expected), "{cookies}");
    }
}

#[test]
fn at_most_four_cookies_of_our_name_are_tried() {
    let service = sessions();
    let on_b = on_b(&service, NOW);
    for (before, outcome) in [(3, Outcome::Pinned), (4, Outcome::Invalid), (10_000, Outcome::Invalid)] {
        let cookies = format!("{}{on_b}", "GCLB=x; other=1; ".repeat(before));
        assert_eq!(decide(&service, &cookies).outcome, outcome, "after {before} that are invalid");
    }
}

#[test]
fn outside_of_the_cookies_path_there_is_no_session_and_none_begins() {
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
            let facts = Facts { path: path.as_bytes(), ..request(NOW, random, &on_b) };
            let decision = service.decide(&facts);
            assert_eq!((decision.outcome, news(&decision)), (outcome, None), "{path}");
            clusters.push(cluster(&decision));
        }
        if outcome == Outcome::None {
            assert!(p_value(clusters, &[("a", 1), ("b", 1), ("c", 1)]) > 0.001, "{path} goes by weight");
        }
    }
}

#[test]
fn a_session_is_renewed_once_per_quarter_of_the_idle_timeout() {
    let service = service(&generated_cookie(&json!({ "affinityCookieTtlSec": 50, "idleTimeoutSec": 8 })));
    let begun = Session { https: true, ..begin(NOW, "b") };
    let at = |session: &Session, now| service.decide(&request(now, 0, &cookie(&service, session)));
    assert_eq!(news(&at(&begun, NOW + 1_999)), None);
    let renewal = at(&begun, NOW + 2_000);
    assert_eq!((renewal.outcome, cluster(&renewal)), (Outcome::Pinned, "b"));
    assert_eq!(part(&renewal), Part::Changed(begun.used_at(NOW + 2_000)));
    let renewed = session(&renewal);
    assert_eq!((renewed.start, renewed.seed, renewed.https), (begun.start, begun.seed, true));
    assert_eq!(news(&at(&renewed, NOW + 3_999)), None);
    assert!(matches!(part(&at(&renewed, NOW + 4_000)), Part::Changed(_)));
    assert_eq!(at(&renewed, NOW + 9_999).outcome, Outcome::Pinned);
    assert_eq!(at(&renewed, NOW + 10_000).outcome, Outcome::Expired);
}

#[test]
fn lives_are_judged_by_todays_configuration() {
    let yesterday = service(&generated_cookie(&json!({ "affinityCookieTtlSec": 100 })));
    let token = on_b(&yesterday, NOW - 60_000);
    assert_eq!(decide(&yesterday, &token).outcome, Outcome::Pinned);
    for (today, outcome) in [
        (json!({ "affinityCookieTtlSec": 50 }), Outcome::Expired),
        (json!({ "affinityCookieTtlSec": 200 }), Outcome::Pinned),
        (json!({}), Outcome::Pinned),
        (json!({ "idleTimeoutSec": 60 }), Outcome::Expired),
        (json!({ "idleTimeoutSec": 61 }), Outcome::Pinned),
    ] {
        assert_eq!(decide(&service(&generated_cookie(&today)), &token).outcome, outcome, "{today}");
    }
}

#[test]
fn a_session_is_known_wherever_service_cookie_and_keys_are_the_same_and_nowhere_else() {
    let config = |name: &str, cookie: &str, keys: Value| {
        let mut config = generated_cookie(&json!({ "cookie": { "name": cookie } }));
        config["name"] = name.into();
        if keys != json!([]) {
            config["keys"] = keys;
        }
        service(&config)
    };
    let key = |id: &str, secret: &str| json!({ "id": id, "secret": secret });
    let here = config("shop", "GCLB", json!([key("k1", SECRET)]));
    let token = on_b(&here, NOW);
    for (elsewhere, outcome) in [
        (config("shop", "GCLB", json!([key("k1", SECRET)])), Outcome::Pinned),
        (config("shop", "GCLB", json!([key("k2", OTHER_SECRET), key("k1", SECRET)])), Outcome::Pinned),
        (config("shop", "GCLB", json!([key("k2", OTHER_SECRET)])), Outcome::Invalid),
        (config("shop", "GCLB", json!([key("k1", OTHER_SECRET)])), Outcome::Invalid),
        (config("shop", "GCLB", json!([key("k2", SECRET)])), Outcome::Invalid),
        (config("shop", "GCLB", json!([])), Outcome::Invalid),
        (config("blog", "GCLB", json!([key("k1", SECRET)])), Outcome::Invalid),
        (config("shop", "OTHER", json!([key("k1", SECRET)])), Outcome::Invalid),
    ] {
        let name = elsewhere.affinity.generated_cookie().unwrap().name.clone();
        let cookies = token.replace("GCLB", &name);
        assert_eq!(decide(&elsewhere, &cookies).outcome, outcome);
    }
}

#[test]
fn a_session_whose_backend_is_gone_is_rejected_and_kept_where_that_is_asked_for() {
    let mut config = generated_cookie(&json!({}));
    config["onUnavailable"] = "REJECT".into();
    let default = service(&config);
    config["rejectStatus"] = 599.into();
    let service = service(&config);
    let gone = begin(NOW, "gone");
    for (service, status) in [(&default, 503), (&service, 599)] {
        let decision = decide(service, &cookie(service, &gone));
        assert_eq!((decision.outcome, decision.verdict), (Outcome::Rejected, Verdict::Reject(status)));
        // Everybody else is served.
        assert_eq!(decide(service, "").outcome, Outcome::Assigned);
        assert_eq!(decide(service, "GCLB=x").outcome, Outcome::Invalid);
        assert_eq!(decide(service, &on_b(service, NOW)).outcome, Outcome::Pinned);
    }
}

#[test]
fn any_bytes_as_cookies_path_and_address_are_decided_on() {
    let services = [
        sessions(),
        service(&generated_cookie(&json!({ "cookie": { "path": "/shop" } }))),
        service(&json!({ "sessionAffinity": { "affinityType": "CLIENT_IP" }, "backends": ["a", "b", "c"] })),
    ];
    for random in randoms(2_000) {
        let bytes: Vec<u8> = randoms(random % 40).flat_map(|word| (word ^ random).to_be_bytes()).collect();
        let ours = [b"GCLB=".as_slice(), &bytes].concat();
        for service in &services {
            for text in [&bytes, &ours] {
                let facts = Facts {
                    now: random,
                    random,
                    client_address: text,
                    cookies: text,
                    path: text,
                    header: Some(text),
                };
                assert!(["a", "b", "c"].contains(&cluster(&service.decide(&facts))));
            }
        }
    }
}
