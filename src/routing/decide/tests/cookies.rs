//! Several tokens in one request.

use super::*;

/// An invalid text with the length and the first byte of a token.
fn looks_like_a_token(service: &TestService) -> String {
    let mut cookie = on_b(service, NOW);
    let last = cookie.pop().unwrap();
    cookie.push(if last == 'A' { 'Q' } else { 'A' });
    cookie
}

fn lines(lines: &[&str]) -> Request {
    Request {
        cookie_lines: lines.iter().map(|line| line.as_bytes().to_vec()).collect(),
        ..Request::default()
    }
}

#[test]
fn of_several_living_sessions_the_first_is_used() {
    let service = for_50_seconds();
    let on_c = service.cookie(&begin(NOW, "c"));
    let (on_b, expired) = (on_b(&service, NOW), on_b(&service, NOW - 50_000));
    for (cookies, expected) in [
        (format!("{on_b}; {on_c}"), "b"),
        (format!("{on_c}; {on_b}"), "c"),
        (format!("GCLB=x; {on_c}; {on_b}"), "c"),
        (format!("{expired}; {on_c}"), "c"),
        (format!("a=1; {expired}; b=2; GCLB=; c=3; {on_b}"), "b"),
    ] {
        let decision = decide_on(&service, &cookies);
        assert_eq!((decision.outcome, cluster(&decision).as_str()), (Outcome::Pinned, expected), "{cookies}");
    }
}

#[test]
fn the_first_living_session_whose_backend_is_available_is_used() {
    let service = for_50_seconds().without(&["a"]);
    let [on_gone, on_a, on_c] = ["gone", "a", "c"].map(|backend| service.cookie(&begin(NOW, backend)));
    let on_b = on_b(&service, NOW);
    for (cookies, expected) in [
        (format!("{on_gone}; {on_b}"), "b"),
        (format!("{on_a}; {on_b}; {on_c}"), "b"),
        (format!("{on_a}; {on_gone}; {on_c}; {on_b}"), "c"),
    ] {
        let decision = decide_on(&service, &cookies);
        assert_eq!((decision.outcome, cluster(&decision).as_str()), (Outcome::Pinned, expected), "{cookies}");
    }
}

#[test]
fn if_no_session_has_an_available_backend_the_first_living_session_is_used() {
    let service = for_50_seconds().without(&["a"]);
    let first = Session { seed: 7, ..begin(NOW - 1, "a") };
    let cookies = format!(
        "{}; {}; {}",
        on_b(&service, NOW - 50_000),
        service.cookie(&first),
        service.cookie(&begin(NOW, "gone"))
    );
    let decision = decide_on(&service, &cookies);
    let moved = sent_session(&decision).unwrap();
    assert_eq!(decision.outcome, Outcome::Repinned);
    assert_eq!((moved.start, moved.seed), (first.start, first.seed));

    let mut config = generated_cookie(&json!({}));
    config["onUnavailable"] = "REJECT".into();
    let rejecting = crate::testing::service(&config);
    let cookies = ["gone", "a"].map(|backend| rejecting.cookie(&begin(NOW, backend))).join("; ");
    assert_eq!(decide_on(&rejecting, &cookies).outcome, Outcome::Pinned, "the second session has a backend");
    let cookies = ["gone", "gone-too"].map(|backend| rejecting.cookie(&begin(NOW, backend))).join("; ");
    assert_eq!(decide_on(&rejecting, &cookies).outcome, Outcome::Rejected);
}

#[test]
fn at_most_sixteen_cookies_that_look_like_tokens_are_examined() {
    let service = for_50_seconds();
    let (on_b, junk) = (on_b(&service, NOW), looks_like_a_token(&service));
    for (before, outcome) in [(15, Outcome::Pinned), (16, Outcome::Invalid), (1_000, Outcome::Invalid)] {
        let cookies = format!("{}{on_b}", format!("{junk}; ").repeat(before));
        assert_eq!(decide_on(&service, &cookies).outcome, outcome, "after {before} invalid ones");
        let own_lines = [vec![junk.as_str(); before], vec![&on_b]].concat();
        assert_eq!(service.decide(&lines(&own_lines)).outcome, outcome, "after {before} invalid lines");
    }
}

#[test]
fn cookies_of_another_length_or_first_byte_do_not_count_against_the_sixteen() {
    let service = for_50_seconds();
    let on_b = on_b(&service, NOW);
    let other_first_byte = on_b.replacen("=A", "=z", 1);
    assert_eq!(other_first_byte.len(), on_b.len());
    for junk in ["GCLB=x; other=1; ", "GCLB=; ", &format!("{other_first_byte}; "), &format!("{on_b}A; ")] {
        let cookies = format!("{}{on_b}", junk.repeat(10_000));
        assert_eq!(decide_on(&service, &cookies).outcome, Outcome::Pinned, "after {junk}");
    }
}

#[test]
fn further_cookie_lines_are_read_only_if_the_first_has_no_available_session() {
    let service = for_50_seconds();
    let on_b = on_b(&service, NOW);
    let on_gone = service.cookie(&begin(NOW, "gone"));
    for (cookies, outcome, are_asked) in [
        (vec![], Outcome::Assigned, false),
        (vec![on_b.as_str(), "GCLB=x"], Outcome::Pinned, false),
        (vec!["a=1", "b=2", &on_b], Outcome::Pinned, true),
        (vec!["GCLB=x", &on_b], Outcome::Pinned, true),
        (vec![&on_gone, &on_b], Outcome::Pinned, true),
        (vec!["a=1"], Outcome::Assigned, true),
    ] {
        let request = lines(&cookies);
        assert_eq!(service.decide(&request).outcome, outcome, "{cookies:?}");
        assert_eq!(request.asked().contains(&FurtherCookieLines), are_asked, "{cookies:?}");
    }
}

#[test]
fn of_several_tokens_in_a_header_the_first_living_session_is_used() {
    let affinity =
        json!({ "affinityType": "GENERATED_HEADER", "header": { "name": "S" }, "affinityCookieTtlSec": 50 });
    let service = service(&json!({ "sessionAffinity": affinity, "backends": ["a", "b", "c"] }));
    let on_b = service.token(&begin(NOW, "b"));
    let on_c = service.token(&begin(NOW, "c"));
    let expired = service.token(&begin(NOW - 50_000, "a"));
    for (value, outcome, expected) in [
        (on_b.clone(), Outcome::Pinned, Some("b")),
        (format!("{on_c},{on_b}"), Outcome::Pinned, Some("c")),
        (format!("x, {expired} , {on_b}"), Outcome::Pinned, Some("b")),
        (expired, Outcome::Expired, None),
        ("x".to_owned(), Outcome::Invalid, None),
    ] {
        let decision = service.decide(&request_with_header("s", value.as_bytes()));
        assert_eq!(decision.outcome, outcome, "{value}");
        assert!(expected.is_none_or(|expected| cluster(&decision) == expected), "{value}");
    }
    assert_eq!(service.decide(&Request::default()).outcome, Outcome::Assigned);
}
