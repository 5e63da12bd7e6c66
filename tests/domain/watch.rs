//! What one worker goes by, and which responses it looks at.

use serde_json::json;
use session_affinity::backends::BackendId;
use session_affinity::evidence::Evidence;
use session_affinity::health::{Board, Testimony};
use session_affinity::service::Services;
use session_affinity::session::Millis;
use session_affinity::watch::{Look, Watch};

use crate::support::{NOW, services};

/// Between two ticks.
const TICK: Millis = 200;

fn two_services() -> Services {
    services(&json!({
        "services": [
            { "name": "shop", "routes": ["shop"], "backends": ["a", "b"] },
            { "name": "blog", "backends": ["a", "b"] },
        ],
    }))
}

/// The board after the first service's `a` was ejected, for 30 seconds.
fn a_ejected(services: &Services) -> Board {
    let mut board = Board::default();
    let a = BackendId::of("a");
    for _ in 0..3 {
        let testimony = Testimony { backend: a, evidence: Evidence::NotConnected, was_out: false };
        board.record(&services.all()[0], testimony, NOW);
    }
    board
}

/// Whether `a` takes requests of either service.
fn available(watch: &Watch) -> [bool; 2] {
    [0, 1].map(|service| watch.view(service).unwrap().is_available(BackendId::of("a")))
}

#[test]
fn a_board_that_is_adopted_is_gone_by_until_what_it_says_is_over() {
    let services = two_services();
    let watch = Watch::new(&services);
    assert_eq!(available(&watch), [true, true]);
    watch.adopt(a_ejected(&services), &services, NOW);
    assert_eq!(available(&watch), [false, true]);
    watch.pass_time(&services, NOW + 29_999);
    assert_eq!(available(&watch), [false, true]);
    watch.pass_time(&services, NOW + 30_000);
    assert_eq!(available(&watch), [true, true]);
    assert!(watch.view(2).is_none(), "there is no such service");
}

#[test]
fn a_clock_that_is_set_back_makes_views_anew() {
    let services = two_services();
    let watch = Watch::new(&services);
    watch.adopt(a_ejected(&services), &services, NOW);
    watch.pass_time(&services, NOW - 3_600_000);
    assert_eq!(available(&watch), [true, true], "no ejection ends in an hour");
}

/// How many of so many responses in each of these ticks are looked at.
fn looks(watch: &Watch, headers: usize, per_tick: usize, ticks: u64) -> Vec<usize> {
    let of_tick = |tick| {
        let now = NOW + tick * TICK;
        let look = |_: &usize| watch.look(0, BackendId::of("a"), headers, now) != Look::Away;
        (0..per_tick).filter(look).count()
    };
    (0..ticks).map(of_tick).collect()
}

#[test]
fn every_response_is_looked_at_where_there_are_few_and_forty_a_second_where_there_are_many() {
    let services = two_services();
    assert_eq!(looks(&Watch::new(&services), 8, 5, 20), [5; 20]);
    for per_tick in [20, 100, 1_000, 10_000] {
        let looks = looks(&Watch::new(&services), 8, per_tick, 20);
        assert!(looks[1..].iter().all(|count| (8..=16).contains(count)), "{per_tick}: {looks:?}");
    }
}

#[test]
fn what_looks_like_a_reply_of_envoys_is_always_looked_at_until_the_application_answers_like_it() {
    let services = two_services();
    let watch = Watch::new(&services);
    assert_eq!(looks(&watch, 3, 1_000, 5), [1_000; 5]);
    watch.note_answer(0, BackendId::of("a"), 3);
    let looks = looks(&watch, 3, 1_000, 5);
    assert!(looks[1..].iter().all(|count| (8..=16).contains(count)), "{looks:?}");
}

#[test]
fn both_questions_are_asked_whether_or_not_endpoints_are_known_to_have_names() {
    let services = two_services();
    for (headers, labelled) in [(8, false), (8, true), (3, false), (3, true)] {
        let watch = Watch::new(&services);
        let a = BackendId::of("a");
        watch.note_answer(0, a, headers);
        if labelled {
            watch.note_label(0, a);
        }
        assert_eq!(watch.is_labelled(0, a), labelled);
        let looks: Vec<Look> = (0..16).map(|tick| watch.look(0, a, headers, NOW + tick * TICK)).collect();
        for look in [Look::Details, Look::Answerer] {
            assert!(looks.contains(&look), "{headers} headers, labelled: {labelled}: {looks:?}");
        }
    }
}
