//! Sessions while the list of backends changes.

use std::collections::BTreeMap;

use super::*;
use crate::testing::Client;

fn over(backends: &Value) -> TestService {
    let affinity =
        json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 50, "idleTimeoutSec": 20 });
    service(&json!({ "sessionAffinity": affinity, "backends": backends }))
}

fn weighted(cluster: &str, weight: u32) -> Value {
    json!({ "cluster": cluster, "weight": weight })
}

#[test]
fn new_backends_and_other_weights_move_no_session() {
    let before = over(&json!(["a", "b"]));
    for after in [
        over(&json!(["a", "b", "c", "d"])),
        over(&json!(["b", "a"])),
        over(&json!([weighted("a", 1000), "b"])),
        over(&json!([weighted("a", 0), "b"])),
        over(&json!([weighted("a", 0), weighted("b", 0), "c"])),
    ] {
        for mut client in Client::crowd(&before, 500) {
            let began_on = client.cluster.clone();
            assert_eq!(client.ask(&after, NOW + 1, 7), Outcome::Pinned);
            assert_eq!(client.cluster, began_on);
        }
    }
}

#[test]
fn a_draining_backend_gets_no_new_session() {
    let service = over(&json!(["a", weighted("draining", 0), "b"]));
    for client in Client::crowd(&service, 1_000) {
        assert_ne!(client.cluster, "draining");
    }
}

#[test]
fn only_sessions_of_a_lost_backend_move_and_spread_by_weight_over_the_rest() {
    let before = over(&json!(["a", weighted("b", 2), "gone", weighted("draining", 0)]));
    let after = over(&json!([weighted("draining", 0), weighted("b", 2), "a", "new"]));
    let mut moved = Vec::new();
    for mut client in Client::crowd(&before, 8_000) {
        let began_on = client.cluster.clone();
        let outcome = client.ask(&after, NOW + 1, 7);
        if began_on == "gone" {
            assert_eq!(outcome, Outcome::Repinned);
            moved.push(client.cluster);
        } else {
            assert_eq!((outcome, client.cluster), (Outcome::Pinned, began_on));
        }
    }
    assert!(p_value(moved, &[("a", 1), ("b", 2), ("new", 1)]) > UNLIKELY);
}

#[test]
fn sessions_of_an_ejected_backend_move_like_those_of_a_lost_one() {
    let all = over(&json!(["a", "b", "c"]));
    let (ejected, removed) = (over(&json!(["a", "b", "c"])).without(&["b"]), over(&json!(["a", "c"])));
    for mut client in Client::crowd(&all, 300) {
        let mut other = Client { cookie: client.cookie.clone(), cluster: client.cluster.clone() };
        assert_eq!(client.ask(&ejected, NOW + 1, 7), other.ask(&removed, NOW + 1, 8));
        assert_eq!(client.cluster, other.cluster);
    }
}

#[test]
fn sessions_move_to_a_draining_backend_only_if_no_other_is_left() {
    let before = over(&json!(["gone", "a"]));
    let after = over(&json!([weighted("draining", 0), "a"]));
    let without_a = over(&json!([weighted("draining", 0), "a"])).without(&["a"]);
    for mut client in Client::crowd(&before, 200) {
        client.ask(&after, NOW, 7);
        assert_eq!(client.cluster, "a");
        assert_eq!(client.ask(&without_a, NOW, 7), Outcome::Repinned);
        assert_eq!(client.cluster, "draining");
    }
}

#[test]
fn requests_of_one_session_at_the_same_time_move_to_the_same_backend_on_every_envoy() {
    let before = over(&json!(["gone"]));
    // The configurations of two Envoys list the same backends in different orders.
    let one = over(&json!(["a", "b", weighted("c", 3), "d"]));
    let other = over(&json!(["d", weighted("c", 3), "b", "a"]));
    for client in Client::crowd(&before, 300) {
        let first = one.decide(&request(NOW + 1_000, 1, &client.cookie));
        assert_eq!(first.outcome, Outcome::Repinned);
        for random in randoms(5) {
            for envoy in [&one, &other] {
                let decision = envoy.decide(&request(NOW + 1_000 + random % 1_000, random, &client.cookie));
                assert_eq!((decision.outcome, cluster(&decision)), (Outcome::Repinned, cluster(&first)));
            }
        }
    }
}

#[test]
fn a_move_needs_no_randomness() {
    let service = over(&json!(["a", "b"]));
    let request = request(NOW, 1, &service.cookie(&begin(NOW, "gone")));
    assert_eq!(service.decide(&request).outcome, Outcome::Repinned);
    assert_eq!(request.asked(), [FirstCookieLine, FurtherCookieLines]);
}

#[test]
fn workers_that_decide_at_the_same_time_decide_the_same() {
    let cookies: Vec<String> =
        Client::crowd(&over(&json!(["gone", "a"])), 200).into_iter().map(|client| client.cookie).collect();
    let decide_all = |random| {
        let service = over(&json!(["a", "b", "c"]));
        let decide = |cookies: &String| cluster(&service.decide(&request(NOW, random, cookies)));
        cookies.iter().map(decide).collect::<Vec<_>>()
    };
    let decided: Vec<Vec<String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|random| scope.spawn(move || decide_all(random))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for other in &decided {
        assert_eq!(*other, decided[0]);
    }
}

#[test]
fn a_session_that_moved_stays_even_when_its_first_backend_comes_back() {
    let (before, without) = (over(&json!(["a", "b", "c"])), over(&json!(["a", "b"])));
    for mut client in Client::crowd(&before, 300) {
        client.ask(&without, NOW + 1_000, 1);
        let moved_to = client.cluster.clone();
        assert_eq!(client.ask(&without, NOW + 2_000, 2), Outcome::Pinned);
        assert_eq!(client.ask(&before, NOW + 3_000, 3), Outcome::Pinned);
        assert_eq!(client.cluster, moved_to);
    }
}

#[test]
fn a_move_keeps_the_absolute_lifetime_and_counts_as_use() {
    let (before, after) = (over(&json!(["gone"])), over(&json!(["a", "b"])));
    for client in Client::crowd(&before, 50) {
        let decision = after.decide(&request(NOW + 19_000, 7, &client.cookie));
        let SessionUpdate::Changed(moved) = forwarded(&decision).session else { panic!("{decision:?}") };
        assert_eq!((moved.start, moved.last_use), (NOW, Some(NOW + 19_000)));
        let mut client = Client { cookie: after.cookie(&moved), ..client };
        assert_eq!(client.ask(&after, NOW + 38_999, 7), Outcome::Pinned);
        assert_eq!(client.ask(&after, NOW + 50_000, 7), Outcome::Expired);
    }
}

#[test]
fn sessions_that_moved_together_do_not_move_together_again() {
    let (first, second, third) =
        (over(&json!(["a"])), over(&json!(["b", "c"])), over(&json!(["d", "e", "f"])));
    let mut ways: BTreeMap<(String, String), u64> = BTreeMap::new();
    for mut client in Client::crowd(&first, 6_000) {
        assert_eq!(client.ask(&second, NOW, 7), Outcome::Repinned);
        let then = client.cluster.clone();
        assert_eq!(client.ask(&third, NOW, 7), Outcome::Repinned);
        *ways.entry((then, client.cluster)).or_default() += 1;
    }
    let counts: Vec<u64> = ways.into_values().collect();
    assert!(harness::chi_squared(&counts, &[1.0; 6]) > UNLIKELY, "{counts:?}");
}

#[test]
fn the_second_move_of_a_session_does_not_depend_on_its_first_move() {
    let (first, second, third) =
        (over(&json!(["a"])), over(&json!(["b", "c", "d"])), over(&json!(["a", "c", "d"])));
    let mut moved = Vec::new();
    for mut client in Client::crowd(&first, 6_000) {
        client.ask(&second, NOW, 7);
        if client.cluster == "b" {
            assert_eq!(client.ask(&third, NOW, 7), Outcome::Repinned);
            moved.push(client.cluster);
        }
    }
    assert!(p_value(moved, &[("a", 1), ("c", 1), ("d", 1)]) > UNLIKELY);
}

#[test]
fn sessions_that_begin_on_one_backend_spread_when_they_move() {
    let (before, after) = (over(&json!(["a", "b", "c", "d"])), over(&json!(["e", "f", "g", "h"])));
    let mut ways: BTreeMap<(String, String), u64> = BTreeMap::new();
    for mut client in Client::crowd(&before, 8_000) {
        let first = client.cluster.clone();
        client.ask(&after, NOW, 7);
        *ways.entry((first, client.cluster)).or_default() += 1;
    }
    let counts: Vec<u64> = ways.into_values().collect();
    assert!(harness::chi_squared(&counts, &[1.0; 16]) > UNLIKELY, "{counts:?}");
}

#[test]
fn scaling_a_service_up_and_down_moves_each_session_at_most_once() {
    let all: Vec<String> = (0..20).map(|index| format!("neg-{index}")).collect();
    // The number of backends alternates between 20 and 18.
    let steps: Vec<TestService> =
        (0..10).map(|step| over(&json!(&all[..if step % 2 == 0 { 20 } else { 18 }]))).collect();
    let (mut on_lost, mut moved) = (0, 0);
    for mut client in Client::crowd(&over(&json!(all)), 1_000) {
        on_lost += u32::from(["neg-18", "neg-19"].contains(&client.cluster.as_str()));
        for (now, service) in (0..).zip(&steps) {
            moved += u32::from(client.ask(service, NOW + now, now) == Outcome::Repinned);
        }
    }
    assert_eq!(moved, on_lost);
    assert!(on_lost > 50, "{on_lost}");
}
