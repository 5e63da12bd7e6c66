//! Sessions that are renewed and that end.

use super::*;

#[test]
fn a_session_is_renewed_once_per_quarter_of_the_idle_timeout() {
    let service = service(&generated_cookie(&json!({ "affinityCookieTtlSec": 50, "idleTimeoutSec": 8 })));
    let begun = Session { https: true, ..begin(NOW, "b") };
    let at = |session: &Session, now| service.decide(&request(now, 0, &service.cookie(session)));
    assert_eq!(sent_session(&at(&begun, NOW + 1_999)), None);
    let renewal = at(&begun, NOW + 2_000);
    assert_eq!((renewal.outcome, cluster(&renewal).as_str()), (Outcome::Pinned, "b"));
    assert_eq!(forwarded(&renewal).session, SessionUpdate::Changed(begun.used_at(NOW + 2_000)));
    let renewed = sent_session(&renewal).unwrap();
    assert_eq!((renewed.start, renewed.seed, renewed.https), (begun.start, begun.seed, true));
    assert_eq!(sent_session(&at(&renewed, NOW + 3_999)), None);
    assert!(sent_session(&at(&renewed, NOW + 4_000)).is_some());
    assert_eq!(at(&renewed, NOW + 9_999).outcome, Outcome::Pinned);
    assert_eq!(at(&renewed, NOW + 10_000).outcome, Outcome::Expired);
}

#[test]
fn the_current_configuration_decides_how_long_sessions_live() {
    let yesterday = service(&generated_cookie(&json!({ "affinityCookieTtlSec": 100 })));
    let cookie = on_b(&yesterday, NOW - 60_000);
    assert_eq!(decide_on(&yesterday, &cookie).outcome, Outcome::Pinned);
    for (today, outcome) in [
        (json!({ "affinityCookieTtlSec": 50 }), Outcome::Expired),
        (json!({ "affinityCookieTtlSec": 200 }), Outcome::Pinned),
        (json!({}), Outcome::Pinned),
        (json!({ "idleTimeoutSec": 8 }), Outcome::Pinned),
    ] {
        let decision = decide_on(&service(&generated_cookie(&today)), &cookie);
        assert_eq!(decision.outcome, outcome, "{today}");
    }
}

#[test]
fn an_idle_timeout_that_is_set_later_counts_from_the_first_use_after_the_change() {
    let cookie = on_b(&service(&generated_cookie(&json!({}))), NOW - 60_000);
    let today = service(&generated_cookie(&json!({ "idleTimeoutSec": 8 })));
    let renewed = sent_session(&decide_on(&today, &cookie)).unwrap();
    assert_eq!((renewed.start, renewed.last_use), (NOW - 60_000, Some(NOW)));
    let at = |now| today.decide(&request(now, 1, &today.cookie(&renewed))).outcome;
    assert_eq!(at(NOW + 7_999), Outcome::Pinned);
    assert_eq!(at(NOW + 8_000), Outcome::Expired);
}

#[test]
fn another_idle_timeout_counts_from_the_recorded_use() {
    let yesterday = service(&generated_cookie(&json!({ "idleTimeoutSec": 100 })));
    let cookie = yesterday.cookie(&begin(NOW - 200_000, "b").used_at(NOW - 60_000));
    for (idle_timeout, outcome) in [(60, Outcome::Expired), (61, Outcome::Pinned), (0, Outcome::Pinned)] {
        let today = service(&generated_cookie(&json!({ "idleTimeoutSec": idle_timeout })));
        assert_eq!(decide_on(&today, &cookie).outcome, outcome, "{idle_timeout} s");
    }
}
