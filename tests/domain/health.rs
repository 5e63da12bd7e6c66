//! What responses and checks make known of backends, and what follows from it.

mod checks;
mod known;

use proptest::prelude::*;
use serde_json::json;
use session_affinity::backends::BackendId;
use session_affinity::evidence::Evidence;
use session_affinity::health::{Board, Health, Recorded, Slot};

use self::known::{Known, SECOND, id};

#[test]
fn a_backend_of_one_service_is_not_that_of_another_whatever_their_names() {
    let names = ["web", "api", "web-canary", "default", "a", "b", ""];
    let slots: Vec<Slot> = names
        .iter()
        .flat_map(|service| names.iter().map(|cluster| Slot::of(service, BackendId::of(cluster))))
        .collect();
    for (index, slot) in slots.iter().enumerate() {
        assert!(!slots[..index].contains(slot), "{index} collides");
    }
}

#[test]
fn three_failures_in_a_row_eject_and_an_answer_ends_the_row() {
    let mut known = Known::nothing(3, &json!({}));
    assert_eq!(known.record(1, Evidence::NotConnected), Recorded::Noted);
    assert_eq!(known.record(1, Evidence::NotConnected), Recorded::Noted);
    assert_eq!(known.record(1, Evidence::Answered), Recorded::Noted);
    assert_eq!(known.record(1, Evidence::Answered), Recorded::Nothing);
    assert_eq!(known.record(1, Evidence::Nothing), Recorded::Nothing);
    assert_eq!(known.eject(1), Recorded::Ejected(30 * SECOND));
    assert_eq!(known.unavailable(), [1]);
    known.pass(30 * SECOND - 1);
    assert_eq!(known.unavailable(), [1]);
    known.pass(1);
    assert_eq!(known.unavailable(), [0; 0]);
}

#[test]
fn a_failure_of_the_one_kind_says_nothing_where_only_the_other_counts() {
    let mut known = Known::nothing(2, &json!({}));
    for _ in 0..10 {
        assert_eq!(known.record(0, Evidence::Failed), Recorded::Nothing);
    }
    let only = json!({ "consecutiveLocalOriginFailure": 0, "consecutiveGatewayErrors": 2 });
    let mut known = Known::nothing(2, &only);
    for _ in 0..10 {
        assert_eq!(known.record(0, Evidence::NotConnected), Recorded::Nothing);
    }
    assert_eq!(known.record(0, Evidence::Failed), Recorded::Noted);
    assert_eq!(known.record(0, Evidence::Failed), Recorded::Ejected(30 * SECOND));
}

/// A row is of failures to make a connection: one that was made ends it, and time that runs out says nothing.
#[test]
fn a_failure_on_a_connection_ends_a_row_and_a_timeout_does_not() {
    let mut known = Known::nothing(3, &json!({}));
    for (between, ejects) in [(Evidence::TimedOut, true), (Evidence::Failed, false)] {
        known.record(1, Evidence::NotConnected);
        known.record(1, Evidence::NoHost);
        known.record(1, between);
        let third = known.record(1, Evidence::NotConnected);
        assert_eq!(third == Recorded::Ejected(30 * SECOND), ejects, "{between:?}");
        known = Known::nothing(3, &json!({}));
    }
}

#[test]
fn an_ejection_lasts_longer_each_time_in_a_row_up_to_five_minutes() {
    let mut known = Known::nothing(3, &json!({ "baseEjectionTimeSec": 110 }));
    for length in [110, 220, 300, 300] {
        assert_eq!(known.eject(1), Recorded::Ejected(length * SECOND));
        known.pass(length * SECOND);
    }
}

#[test]
fn one_that_stayed_in_for_as_long_as_it_was_out_begins_anew() {
    for (stayed_in, next) in [(59_999, 90_000), (60_000, 30_000)] {
        let mut known = Known::nothing(3, &json!({}));
        known.eject(1);
        known.pass(30 * SECOND);
        assert_eq!(known.eject(1), Recorded::Ejected(60 * SECOND));
        known.pass(60 * SECOND + stayed_in);
        assert_eq!(known.eject(1), Recorded::Ejected(next), "it stayed in for {stayed_in} ms");
    }
}

#[test]
fn when_the_last_one_is_ejected_nobody_is_left_out_and_all_ejections_end_together() {
    let mut known = Known::nothing(3, &json!({}));
    for index in 0..3 {
        known.eject(index);
        assert_eq!(known.unavailable().len(), (index + 1) % 3);
        known.pass(5 * SECOND);
    }
    // The last one ends at 10 s + 30 s.
    known.pass(24_999);
    assert!((0..3).all(|index| known.is_out(index)));
    assert_eq!(known.view().changes_at(), known.now + 1);
    known.pass(1);
    assert!((0..3).all(|index| !known.is_out(index)));
}

#[test]
fn an_answer_of_one_that_was_out_when_it_was_asked_ends_its_ejection() {
    let mut known = Known::nothing(3, &json!({}));
    known.eject(1);
    assert_eq!(known.testify(1, Evidence::Answered, false), Recorded::Nothing, "it was asked before");
    assert_eq!(known.unavailable(), [1]);
    assert_eq!(known.testify(1, Evidence::Answered, true), Recorded::Returned);
    assert_eq!(known.unavailable(), [0; 0]);
}

#[test]
fn when_all_are_out_the_first_that_answers_brings_back_all() {
    let mut known = Known::nothing(3, &json!({}));
    for index in 0..3 {
        known.eject(index);
    }
    assert_eq!(known.record(2, Evidence::Answered), Recorded::Returned);
    assert!((0..3).all(|index| !known.is_out(index)));
    // One that is still down is found out again.
    assert_eq!(known.eject(0), Recorded::Ejected(60 * SECOND));
    assert_eq!(known.unavailable(), [0]);
}

#[test]
fn no_more_are_ejected_than_their_share_of_the_service() {
    for (percent, allowed) in [(0, 0), (24, 0), (25, 1), (49, 1), (50, 2), (99, 3), (100, 4)] {
        let mut known = Known::nothing(4, &json!({ "maxEjectionPercent": percent }));
        let ejected = (0..4).filter(|index| known.eject(*index) != Recorded::Nothing).count();
        assert_eq!(ejected, allowed, "{percent} %");
        // A place that is free again is taken.
        known.pass(30 * SECOND);
        assert_eq!(known.record(3, Evidence::NotConnected) != Recorded::Noted, allowed > 0, "{percent} %");
    }
}

#[test]
fn what_nobody_has_spoken_of_for_ten_minutes_is_forgotten() {
    let mut known = Known::nothing(3, &json!({}));
    known.eject(0);
    let one = known.bytes().len();
    known.pass(600 * SECOND - 1);
    known.eject(1);
    assert_eq!(known.bytes().len(), 2 * one);
    known.pass(1);
    known.record(2, Evidence::NotConnected);
    assert_eq!(known.bytes().len(), 2 * one, "of the first, nothing");
}

#[test]
fn a_backend_with_nothing_to_say_of_it_takes_no_place() {
    let mut known = Known::nothing(3, &json!({}));
    known.record(0, Evidence::NotConnected);
    known.record(0, Evidence::Answered);
    assert_eq!(known.bytes(), [0; 0]);
}

#[test]
fn after_a_clock_is_set_back_no_ejection_lasts_longer_than_any_can() {
    let mut known = Known::nothing(3, &json!({ "baseEjectionTimeSec": 300 }));
    known.eject(1);
    known.now -= 10 * SECOND;
    assert_eq!(known.unavailable(), [1], "a little makes no difference");
    known.now -= 3_600 * SECOND;
    assert_eq!(known.unavailable(), [0; 0]);
    assert_eq!(known.eject(1), Recorded::Ejected(300 * SECOND));
}

#[test]
fn what_one_worker_writes_another_reads() {
    let mut known = Known::with(4, json!({ "healthCheck": {} }));
    known.eject(0);
    known.record(1, Evidence::NotConnected);
    known.check(2, Health::Fails);
    let read = Board::from_bytes(&known.board.to_bytes());
    assert_eq!(read, known.board);
    let before = known.view();
    known.board = read;
    let after = known.view();
    for index in 0..4 {
        assert_eq!(after.is_available(id(index)), before.is_available(id(index)));
        assert_eq!(after.is_suspect(id(index)), before.is_suspect(id(index)));
    }
    assert!(after.is_suspect(id(1)) && !after.is_suspect(id(3)));
}

proptest! {
    #[test]
    fn a_board_of_any_bytes_is_lived_with(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut known = Known::with(3, json!({ "healthCheck": {}, "outlierDetection": { "consecutiveGatewayErrors": 1 } }));
        known.board = Board::from_bytes(&bytes);
        let again = Board::from_bytes(&known.board.to_bytes());
        prop_assert_eq!(&again, &known.board);
        for index in 0..3 {
            known.record(index, Evidence::Failed);
            known.eject(index);
            known.record(index, Evidence::Answered);
            known.check(index, Health::Fails);
            known.check(index, Health::Passes { since: known.now });
        }
        known.view();
    }
}
