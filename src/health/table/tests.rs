mod checks;

use std::rc::Rc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::balance::Backends;
use crate::config::OutlierDetection;
use crate::health::testing::{SECOND, ServiceHealth, id};

use ResponseClass::{Answered, AnsweredElsewhere, GatewayError, NoHost, NotConnected, Nothing, TimedOut};

fn key(service: &str, cluster: &str) -> BackendKey {
    let policy = HealthPolicy::new(service, Rc::new(Backends::new([])), OutlierDetection::default(), None);
    policy.key(BackendId::of(cluster))
}

#[test]
fn backends_of_different_services_have_different_keys_whatever_their_names() {
    let names = ["web", "api", "web-canary", "default", "a", "b", ""];
    let keys: Vec<BackendKey> =
        names.iter().flat_map(|service| names.iter().map(|cluster| key(service, cluster))).collect();
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key), "{index} collides");
    }
}

#[test]
fn three_consecutive_failures_eject_and_an_answer_resets_the_count() {
    let mut health = ServiceHealth::new(3, &json!({}));
    assert_eq!(health.report(1, NotConnected), Reported::Noted);
    assert_eq!(health.report(1, NotConnected), Reported::Noted);
    assert_eq!(health.report(1, Answered), Reported::Noted);
    assert_eq!(health.report(1, Answered), Reported::Nothing);
    assert_eq!(health.report(1, Nothing), Reported::Nothing);
    assert_eq!(health.eject(1), Reported::Ejected(30 * SECOND));
    assert_eq!(health.unavailable(), [1]);
    health.wait(30 * SECOND - 1);
    assert_eq!(health.unavailable(), [1]);
    health.wait(1);
    assert_eq!(health.unavailable(), [0; 0]);
}

#[test]
fn a_kind_of_failure_that_is_off_is_not_counted() {
    let mut health = ServiceHealth::new(2, &json!({}));
    for _ in 0..10 {
        assert_eq!(health.report(0, GatewayError), Reported::Nothing);
    }
    let only_gateway_errors = json!({ "consecutiveLocalOriginFailure": 0, "consecutiveGatewayErrors": 2 });
    let mut health = ServiceHealth::new(2, &only_gateway_errors);
    for _ in 0..10 {
        assert_eq!(health.report(0, NotConnected), Reported::Nothing);
        assert_eq!(health.report(0, NoHost), Reported::Nothing);
    }
    assert_eq!(health.report(0, GatewayError), Reported::Noted);
    assert_eq!(health.report(0, GatewayError), Reported::Ejected(30 * SECOND));
}

#[test]
fn with_outlier_detection_off_no_response_changes_the_table() {
    let mut health = ServiceHealth::new(2, &json!({ "consecutiveLocalOriginFailure": 0 }));
    for class in [Answered, AnsweredElsewhere, GatewayError, NoHost, NotConnected, Nothing, TimedOut] {
        assert_eq!(health.report(0, class), Reported::Nothing, "{class:?}");
    }
}

/// The count is about failures to connect. A connection resets the count. A timeout of unknown cause changes nothing.
#[test]
fn a_failure_on_a_connection_resets_the_count_of_failures_to_connect() {
    for (between, ejects) in [(TimedOut, true), (GatewayError, false)] {
        let mut health = ServiceHealth::new(3, &json!({}));
        health.report(1, NotConnected);
        health.report(1, NoHost);
        health.report(1, between);
        let third = health.report(1, NotConnected);
        assert_eq!(third == Reported::Ejected(30 * SECOND), ejects, "{between:?}");
    }
}

#[test]
fn an_answer_of_another_backend_is_a_gateway_error_if_those_count_and_else_a_local_origin_failure() {
    for (outlier_detection, failures) in [
        (json!({}), 3),
        (json!({ "consecutiveGatewayErrors": 2 }), 2),
        (json!({ "consecutiveGatewayErrors": 5 }), 5),
        (json!({ "consecutiveGatewayErrors": 4, "consecutiveLocalOriginFailure": 0 }), 4),
    ] {
        let mut health = ServiceHealth::new(3, &outlier_detection);
        for _ in 1..failures {
            assert_eq!(health.report(1, AnsweredElsewhere), Reported::Noted, "{outlier_detection}");
        }
        let last = health.report(1, AnsweredElsewhere);
        assert_eq!(last, Reported::Ejected(30 * SECOND), "{outlier_detection}");
    }
}

#[test]
fn consecutive_ejections_last_longer_up_to_five_minutes() {
    let mut health = ServiceHealth::new(3, &json!({ "baseEjectionTimeSec": 110 }));
    for length in [110, 220, 300, 300] {
        assert_eq!(health.eject(1), Reported::Ejected(length * SECOND));
        health.wait(length * SECOND);
    }
}

#[test]
fn the_count_of_ejections_restarts_after_a_backend_was_available_as_long_as_its_last_ejection() {
    for (available_for, next) in [(59_999, 90_000), (60_000, 30_000)] {
        let mut health = ServiceHealth::new(3, &json!({}));
        health.eject(1);
        health.wait(30 * SECOND);
        assert_eq!(health.eject(1), Reported::Ejected(60 * SECOND));
        health.wait(60 * SECOND + available_for);
        assert_eq!(health.eject(1), Reported::Ejected(next), "available for {available_for} ms");
    }
}

#[test]
fn when_the_last_backend_is_ejected_all_ejections_end_together() {
    let mut health = ServiceHealth::new(3, &json!({}));
    for index in 0..3 {
        health.eject(index);
        assert_eq!(health.unavailable().len(), (index + 1) % 3);
        health.wait(5 * SECOND);
    }
    // The last ejection began after 10 s and lasts 30 s.
    health.wait(24_999);
    assert!(health.is_panic());
    assert_eq!(health.availability().changes_at(), health.now + 1);
    health.wait(1);
    assert!((0..3).all(|index| !health.availability().is_unavailable(id(index))));
}

#[test]
fn an_answer_ends_an_ejection_that_was_known_when_the_request_was_routed() {
    let mut health = ServiceHealth::new(3, &json!({}));
    health.eject(1);
    assert_eq!(health.report_routed(1, Answered, false), Reported::Nothing, "the request is older");
    assert_eq!(health.unavailable(), [1]);
    assert_eq!(health.report_routed(1, Answered, true), Reported::Returned);
    assert_eq!(health.unavailable(), [0; 0]);
}

#[test]
fn when_all_backends_are_ejected_the_first_answer_brings_back_all() {
    let mut health = ServiceHealth::new(3, &json!({}));
    for index in 0..3 {
        health.eject(index);
    }
    assert_eq!(health.report(2, Answered), Reported::Returned);
    assert!((0..3).all(|index| !health.availability().is_unavailable(id(index))));
    // A backend that is still down is ejected again.
    assert_eq!(health.eject(0), Reported::Ejected(60 * SECOND));
    assert_eq!(health.unavailable(), [0]);
}

#[test]
fn at_most_the_configured_share_of_backends_is_ejected_but_always_one() {
    for (percent, allowed) in [(0, 1), (24, 1), (25, 1), (49, 1), (50, 2), (99, 3), (100, 4)] {
        let mut health = ServiceHealth::new(4, &json!({ "maxEjectionPercent": percent }));
        let ejected = (0..4).filter(|index| health.eject(*index) != Reported::Nothing).count();
        assert_eq!(ejected, allowed, "{percent} %");
        // After an ejection has ended, another backend can be ejected.
        health.wait(30 * SECOND);
        assert!(matches!(health.eject(3), Reported::Ejected(_)), "{percent} %");
    }
}

#[test]
fn an_entry_that_has_not_changed_for_ten_minutes_is_dropped() {
    let mut health = ServiceHealth::new(3, &json!({}));
    health.eject(0);
    let one = health.pruned_bytes().len();
    health.wait(600 * SECOND - 1);
    health.eject(1);
    assert_eq!(health.pruned_bytes().len(), 2 * one);
    health.wait(1);
    health.report(2, NotConnected);
    assert_eq!(health.pruned_bytes().len(), 2 * one, "the entry of the first backend is gone");
}

#[test]
fn a_backend_without_failures_takes_no_space() {
    let mut health = ServiceHealth::new(3, &json!({}));
    health.report(0, NotConnected);
    health.report(0, Answered);
    assert_eq!(health.pruned_bytes(), [0; 0]);
}

#[test]
fn after_the_clock_is_set_back_no_ejection_lasts_longer_than_the_maximum() {
    let mut health = ServiceHealth::new(3, &json!({ "baseEjectionTimeSec": 300 }));
    health.eject(1);
    health.now -= 10 * SECOND;
    assert_eq!(health.unavailable(), [1], "a small step makes no difference");
    health.now -= 3_600 * SECOND;
    assert_eq!(health.unavailable(), [0; 0]);
    assert_eq!(health.eject(1), Reported::Ejected(300 * SECOND));

    let mut health = ServiceHealth::new(3, &json!({ "baseEjectionTimeSec": 30 }));
    health.eject(1);
    health.now -= 200 * SECOND;
    assert_eq!(health.unavailable(), [0; 0], "an ejection of 30 s does not last 230 s");
}

/// After an update of the listener, the old configuration probes too until the listener is drained.
#[test]
fn probes_of_another_path_or_host_do_not_change_the_result_of_health_checks() {
    let old = json!({ "healthCheck": { "requestPath": "/old" } });
    for new in [json!({ "requestPath": "/new" }), json!({ "requestPath": "/old", "host": "example.com" })] {
        let mut health = ServiceHealth::with(2, old.clone());
        health.check(0, CheckResult::Fails);
        assert_eq!(health.unavailable(), [0]);
        health.configure(2, json!({ "healthCheck": new }));
        assert_eq!(health.unavailable(), [0; 0]);
        health.check(1, CheckResult::Fails);
        health.check(0, CheckResult::Passes { since: health.now });
        assert_eq!(health.unavailable(), [1]);
        health.configure(2, old.clone());
        assert_eq!(health.unavailable(), [0]);
    }
}

#[test]
fn another_worker_reads_the_same_table() {
    let mut health = ServiceHealth::with(4, json!({ "healthCheck": {} }));
    health.eject(0);
    health.report(1, NotConnected);
    health.check(2, CheckResult::Fails);
    assert_eq!(HealthTable::from_bytes(&health.table.to_bytes()), health.table);
}

proptest! {
    #[test]
    fn a_table_of_any_bytes_is_usable(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let config = json!({ "healthCheck": {}, "outlierDetection": { "consecutiveGatewayErrors": 1 } });
        let mut health = ServiceHealth::with(3, config);
        health.table = HealthTable::from_bytes(&bytes);
        prop_assert_eq!(HealthTable::from_bytes(&health.table.to_bytes()), health.table.clone());
        for index in 0..3 {
            health.report(index, GatewayError);
            health.report(index, AnsweredElsewhere);
            health.eject(index);
            health.report(index, Answered);
            health.check(index, CheckResult::Fails);
            health.check(index, CheckResult::Passes { since: health.now });
        }
        health.availability();
    }

    /// The bytes hold entries of the service's own backends.
    #[test]
    fn entries_of_any_numbers_are_usable(
        entries in prop::collection::vec(prop::array::uniform32(any::<u8>()), 3)
    ) {
        let config = json!({ "healthCheck": {}, "outlierDetection": { "consecutiveGatewayErrors": 1 } });
        let mut health = ServiceHealth::with(3, config);
        for (index, entry) in (0..).zip(&entries) {
            let key = health.service.health.key(id(index)).0.to_be_bytes();
            let bytes = [&key[..], &entry[1..]].concat();
            let (key, entry) = Entry::from_bytes(bytes.first_chunk().unwrap()).unwrap();
            health.table.entries.push((key, entry));
        }
        health.table.entries.sort_by_key(|(key, _)| *key);
        for index in 0..3 {
            health.report(index, GatewayError);
            health.eject(index);
            health.report(index, Answered);
            health.check(index, CheckResult::Fails);
            health.check(index, CheckResult::Passes { since: health.now });
        }
        health.pruned_bytes();
        health.availability();
    }
}
