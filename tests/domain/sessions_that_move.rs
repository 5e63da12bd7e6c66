//! Sessions while the list of backends changes under them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use session_affinity::affinity::Part;
use session_affinity::outcome::Outcome;
use session_affinity::session::Life;

use crate::support::{Client, NOW, One, cluster, p_value, part, randoms, request, service, session};

fn over(backends: &Value) -> One {
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
fn only_sessions_of_a_backend_that_is_gone_move_spread_by_weight_over_the_rest() {
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
    let rest = [("a", 1), ("b", 2), ("new", 1)];
    assert!(p_value(moved.iter().map(String::as_str), &rest) > 0.001);
}

#[test]
fn sessions_go_to_a_draining_backend_only_where_nothing_else_is_left() {
    let before = over(&json!(["gone", "a"]));
    let after = over(&json!([weighted("draining", 0), "a"]));
    for mut client in Client::crowd(&before, 200) {
        client.ask(&after, NOW, 7);
        assert_eq!(client.cluster, "a");
    }
}

#[test]
fn requests_of_one_session_at_the_same_time_move_to_the_same_backend_on_every_envoy() {
    let before = over(&json!(["gone"]));
    // Two Envoys whose configurations list the same backends in another order.
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
fn threads_that_decide_at_the_same_time_decide_the_same() {
    let cookies: Vec<String> =
        Client::crowd(&over(&json!(["gone", "a"])), 200).into_iter().map(|client| client.cookie).collect();
    let decide_all = |random| {
        let service = over(&json!(["a", "b", "c"]));
        let decide = |cookies: &String| cluster(&service.decide(&request(NOW, random, cookies))).to_owned();
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
fn a_session_that_moved_stays_where_it_is_even_when_its_first_backend_comes_back() {
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
fn a_move_keeps_the_absolute_life_and_counts_as_use() {
    let (before, after) = (over(&json!(["gone"])), over(&json!(["a", "b"])));
    for client in Client::crowd(&before, 50) {
        let decision = after.decide(&request(NOW + 19_000, 7, &client.cookie));
        assert!(matches!(part(&decision), Part::Changed(_)));
        let moved = session(&decision);
        assert_eq!(moved.start, NOW);
        let life = Life { ttl_sec: 50, idle_timeout_sec: 0 };
        assert_eq!(life.max_age(&moved, NOW + 19_000), Some(31));
        let mut client = Client { cookie: crate::support::cookie(&after, &moved), ..client };
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
    assert!(harness::chi_squared(&counts, &[1.0; 6]) > 0.001, "{counts:?}");
}

#[test]
fn sessions_that_begin_together_spread_when_they_move() {
    // The choice of a first backend must not show in the choice of a second.
    let (before, after) = (over(&json!(["a", "b", "c", "d"])), over(&json!(["e", "f", "g", "h"])));
    let mut ways: BTreeMap<(String, String), u64> = BTreeMap::new();
    for mut client in Client::crowd(&before, 8_000) {
        let first = client.cluster.clone();
        client.ask(&after, NOW, 7);
        *ways.entry((first, client.cluster)).or_default() += 1;
    }
    let counts: Vec<u64> = ways.into_values().collect();
    assert!(harness::chi_squared(&counts, &[1.0; 16]) > 0.001, "{counts:?}");
}

#[test]
fn scaling_a_service_up_and_down_moves_each_session_once_at_most() {
    let all: Vec<String> = (0..20).map(|index| format!("neg-{index}")).collect();
    let full = over(&json!(all));
    let clients = Client::crowd(&full, 1_000);
    let (mut on_lost, mut moved) = (0, 0);
    for mut client in clients {
        on_lost += u32::from(["neg-18", "neg-19"].contains(&client.cluster.as_str()));
        for now in 0..10 {
            // 20, 18, 20, 18, …
            let service = over(&json!(&all[..if now % 2 == 0 { 20 } else { 18 }]));
            moved += u32::from(client.ask(&service, NOW + now, now) == Outcome::Repinned);
        }
    }
    assert_eq!(moved, on_lost);
    assert!(on_lost > 50, "{on_lost}");
}
