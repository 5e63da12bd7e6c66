//! The effect of health checks on the table.

use serde_json::json;

use crate::health::table::{CheckResult, Reported};
use crate::health::testing::{SECOND, ServiceHealth, id};

fn checked(count: usize) -> ServiceHealth {
    ServiceHealth::with(count, json!({ "healthCheck": {} }))
}

#[test]
fn a_backend_that_fails_its_checks_is_unavailable_until_it_passes() {
    let mut health = checked(3);
    assert!(health.check(2, CheckResult::Fails));
    assert!(!health.check(2, CheckResult::Fails), "the table knows it");
    assert_eq!(health.unavailable(), [2]);
    health.wait(600 * SECOND - 1);
    assert_eq!(health.unavailable(), [2], "however long it takes");
    assert!(health.check(2, CheckResult::Fails), "repeated before it is forgotten");
    assert!(health.check(2, CheckResult::Passes { since: health.now }));
    assert!(!health.check(2, CheckResult::Passes { since: health.now }));
    assert_eq!(health.unavailable(), [0; 0]);
}

#[test]
fn passed_checks_end_an_ejection_that_began_before_the_first_of_them() {
    let mut health = checked(3);
    let before = health.now;
    health.wait(SECOND);
    health.eject(1);
    health.wait(SECOND);
    assert!(!health.check(1, CheckResult::Passes { since: before }), "the probes are older");
    assert_eq!(health.unavailable(), [1]);
    assert!(health.check(1, CheckResult::Passes { since: health.now }));
    assert_eq!(health.unavailable(), [0; 0]);
    assert_eq!(health.eject(1), Reported::Ejected(60 * SECOND), "the second ejection in a row");
}

#[test]
fn checks_that_passed_before_an_ejection_end_only_the_failure_of_checks() {
    let mut health = checked(3);
    health.check(1, CheckResult::Fails);
    let before = health.now;
    health.wait(SECOND);
    health.eject(1);
    assert!(health.check(1, CheckResult::Passes { since: before }));
    assert_eq!(health.unavailable(), [1], "the backend is still ejected");
    health.wait(30 * SECOND);
    assert_eq!(health.unavailable(), [0; 0]);
}

#[test]
fn when_all_backends_are_unavailable_the_first_that_passes_its_checks_brings_back_all() {
    let mut health = checked(3);
    health.check(0, CheckResult::Fails);
    health.eject(1);
    health.check(2, CheckResult::Fails);
    health.wait(SECOND);
    assert!(health.check(2, CheckResult::Passes { since: health.now }));
    assert!((0..3).all(|index| !health.availability().is_unavailable(id(index))));
    health.check(0, CheckResult::Fails);
    assert_eq!(health.unavailable(), [0], "a backend that still fails is unavailable again");
}

#[test]
fn unavailability_ends_when_the_detection_that_found_it_is_turned_off() {
    let mut health = checked(2);
    health.check(0, CheckResult::Fails);
    health.configure(2, json!({}));
    assert_eq!(health.unavailable(), [0; 0], "the health check is gone");
    health.eject(0);
    health.configure(2, json!({ "outlierDetection": { "consecutiveLocalOriginFailure": 0 } }));
    assert_eq!(health.unavailable(), [0; 0], "the outlier detection is off");
}
