//! What checks make known of backends.

use serde_json::json;
use session_affinity::health::{Health, Recorded};

use super::known::{Known, SECOND};
use crate::support::service;

#[test]
fn what_fails_its_checks_is_out_until_it_passes() {
    let mut known = Known::with(3, json!({ "healthCheck": {} }));
    assert!(known.check(2, Health::Fails));
    assert!(!known.check(2, Health::Fails), "that is known");
    assert_eq!(known.unavailable(), [2]);
    known.pass(600 * SECOND - 1);
    assert_eq!(known.unavailable(), [2], "however long it takes");
    assert!(known.check(2, Health::Fails), "said again, lest it be forgotten");
    assert!(known.check(2, Health::Passes { since: known.now }));
    assert!(!known.check(2, Health::Passes { since: known.now }));
    assert_eq!(known.unavailable(), [0; 0]);
}

#[test]
fn checks_that_pass_end_an_ejection_that_began_before_the_first_of_them() {
    let mut known = Known::with(3, json!({ "healthCheck": {} }));
    let before = known.now;
    known.pass(SECOND);
    known.eject(1);
    known.pass(SECOND);
    assert!(!known.check(1, Health::Passes { since: before }), "that one was asked before");
    assert_eq!(known.unavailable(), [1]);
    assert!(known.check(1, Health::Passes { since: known.now }));
    assert_eq!(known.unavailable(), [0; 0]);
    assert_eq!(known.eject(1), Recorded::Ejected(60 * SECOND), "its second in a row");
}

#[test]
fn checks_that_passed_before_an_ejection_end_a_failure_of_checks_alone() {
    let mut known = Known::with(3, json!({ "healthCheck": {} }));
    known.check(1, Health::Fails);
    let before = known.now;
    known.pass(SECOND);
    known.eject(1);
    assert!(known.check(1, Health::Passes { since: before }));
    assert_eq!(known.unavailable(), [1], "it is still ejected");
    known.pass(30 * SECOND);
    assert_eq!(known.unavailable(), [0; 0]);
}

#[test]
fn when_all_are_out_the_first_that_passes_its_checks_brings_back_all() {
    let mut known = Known::with(3, json!({ "healthCheck": {} }));
    known.check(0, Health::Fails);
    known.eject(1);
    known.check(2, Health::Fails);
    known.pass(SECOND);
    assert!(known.check(2, Health::Passes { since: known.now }));
    assert!((0..3).all(|index| !known.is_out(index)));
    known.check(0, Health::Fails);
    assert_eq!(known.unavailable(), [0], "what still fails is out again");
}

#[test]
fn where_nobody_checks_any_more_what_checks_found_is_void() {
    let mut known = Known::with(2, json!({ "healthCheck": {} }));
    known.check(0, Health::Fails);
    known.service = service(&json!({ "backends": ["app-0", "app-1"] }));
    assert_eq!(known.unavailable(), [0; 0]);
    known.eject(0);
    let off = json!({ "consecutiveLocalOriginFailure": 0 });
    known.service = service(&json!({ "backends": ["app-0", "app-1"], "outlierDetection": off }));
    assert_eq!(known.unavailable(), [0; 0], "so is what responses found");
}
