//! All random numbers are fixed, so each test always has the same result.

use std::collections::BTreeMap;

use harness::chi_squared;

use crate::balance::hash::{hash, mix};
use crate::balance::{Backend, BackendId, Backends};
use crate::testing::{UNLIKELY, p_value, randoms};

const WEIGHTS: [(&str, u32); 6] = [("a", 1), ("b", 2), ("c", 3), ("d", 0), ("e", 3), ("f", 100)];

fn backends(weights: &[(&str, u32)]) -> Backends {
    Backends::new(weights.iter().map(|(cluster, weight)| Backend::new((*cluster).to_owned(), *weight, false)))
}

/// `count` backends of weight 1: `neg-0`, `neg-1` and so on.
fn equal(count: usize) -> Backends {
    Backends::new((0..count).map(|index| Backend::new(format!("neg-{index}"), 1, false)))
}

fn by_weight(backends: &Backends, random: u64) -> &str {
    backends.candidates().by_weight(random).unwrap().cluster()
}

fn by_hash(backends: &Backends, key: u64) -> &str {
    backends.candidates().by_hash(key).unwrap().cluster()
}

#[test]
fn random_choices_follow_the_weights() {
    let backends = backends(&WEIGHTS);
    assert!(p_value(randoms(100_000).map(|random| by_weight(&backends, random)), &WEIGHTS) > UNLIKELY);
}

#[test]
fn consistent_choices_follow_the_weights() {
    let backends = backends(&WEIGHTS);
    assert!(p_value(randoms(100_000).map(|key| by_hash(&backends, key)), &WEIGHTS) > UNLIKELY);
}

#[test]
fn the_smallest_and_the_largest_weight_get_their_shares() {
    let weights = [("canary", 1), ("stable", 1000)];
    let backends = backends(&weights);
    assert!(p_value(randoms(200_000).map(|random| by_weight(&backends, random)), &weights) > UNLIKELY);
    assert!(p_value(randoms(200_000).map(|key| by_hash(&backends, key)), &weights) > UNLIKELY);
}

#[test]
fn the_share_of_random_numbers_of_each_backend_is_proportional_to_its_weight() {
    let backends = backends(&[("a", 1), ("b", 2), ("c", 1)]);
    let mut parts = BTreeMap::new();
    for eighth in 0..8 {
        *parts.entry(by_weight(&backends, eighth << 61)).or_insert(0) += 1;
    }
    assert_eq!(parts, BTreeMap::from([("a", 2), ("b", 4), ("c", 2)]));
    assert_ne!(by_weight(&backends, u64::MAX), by_weight(&backends, 0));
}

#[test]
fn consecutive_keys_spread_evenly() {
    let weights = [("neg-0", 1), ("neg-1", 1), ("neg-2", 1)];
    let backends = backends(&weights);
    let addresses = (0..30_000_u32).map(|address| hash(&address.to_be_bytes()));
    assert!(p_value(addresses.map(|key| by_hash(&backends, key)), &weights) > UNLIKELY);
    assert!(p_value((0..30_000).map(|key| by_hash(&backends, key)), &weights) > UNLIKELY);
}

#[test]
fn adding_a_backend_to_n_moves_one_in_n_plus_one_keys_and_all_of_them_to_the_new_backend() {
    const KEYS: u64 = 20_000;
    for count in [1, 2, 3, 10, 50] {
        let (before, after) = (equal(count), equal(count + 1));
        let new = format!("neg-{count}");
        let mut moved = 0;
        for key in randoms(KEYS) {
            if by_hash(&before, key) != by_hash(&after, key) {
                assert_eq!(by_hash(&after, key), new);
                moved += 1;
            }
        }
        let weights = [1.0, f64::from(u32::try_from(count).unwrap())];
        assert!(chi_squared(&[moved, KEYS - moved], &weights) > UNLIKELY, "{moved} moved to {new}");
    }
}

#[test]
fn removing_a_backend_moves_only_its_own_keys_and_spreads_them_by_weight() {
    let before = backends(&[("a", 2), ("b", 1), ("gone", 5), ("c", 3)]);
    let rest = [("a", 2), ("b", 1), ("c", 3)];
    let after = backends(&rest);
    let mut moved = Vec::new();
    for key in randoms(50_000) {
        if by_hash(&before, key) == "gone" {
            moved.push(by_hash(&after, key));
        } else {
            assert_eq!(by_hash(&before, key), by_hash(&after, key));
        }
    }
    assert!(p_value(moved, &rest) > UNLIKELY);
}

#[test]
fn a_higher_weight_attracts_keys_and_moves_no_other_keys() {
    let (low, high) = (backends(&[("a", 2), ("b", 1), ("c", 3)]), backends(&[("a", 2), ("b", 4), ("c", 3)]));
    let (mut moved, mut kept) = (0, 0);
    for key in randoms(20_000) {
        if by_hash(&low, key) == by_hash(&high, key) {
            kept += 1;
        } else {
            assert_eq!(by_hash(&high, key), "b");
            moved += 1;
        }
    }
    // The share of b grows from 1/6 to 4/9, so 5/18 of the keys move.
    assert!(chi_squared(&[moved, kept], &[5.0, 13.0]) > UNLIKELY, "{moved} moved");
}

#[test]
fn the_order_of_the_list_does_not_affect_a_consistent_choice() {
    let mut list = vec![("a", 1), ("b", 5), ("c", 5), ("d", 1), ("e", 7), ("f", 0), ("g", 1)];
    let first = backends(&list);
    for _ in 0..list.len() {
        list.rotate_left(1);
        let rotated = backends(&list);
        let reversed = backends(&list.iter().rev().copied().collect::<Vec<_>>());
        for key in randoms(1_000) {
            assert_eq!(by_hash(&rotated, key), by_hash(&first, key));
            assert_eq!(by_hash(&reversed, key), by_hash(&first, key));
        }
    }
}

#[test]
fn a_draining_backend_is_chosen_only_if_no_other_is_left() {
    let mixed = backends(&[("draining", 0), ("a", 1)]);
    for random in randoms(1_000) {
        assert_eq!(by_weight(&mixed, random), "a");
        assert_eq!(by_hash(&mixed, random), "a");
    }
    // The configuration refuses such a list. Only these backends remain if every other backend is unavailable.
    let draining = backends(&[("a", 0), ("b", 0)]);
    let equal = [("a", 1), ("b", 1)];
    assert!(p_value(randoms(10_000).map(|random| by_weight(&draining, random)), &equal) > UNLIKELY);
    assert!(p_value(randoms(10_000).map(|key| by_hash(&draining, key)), &equal) > UNLIKELY);
}

#[test]
fn without_backends_there_is_no_choice() {
    let none = backends(&[]);
    for random in [0, 1, u64::MAX] {
        assert_eq!(none.candidates().by_weight(random), None);
        assert_eq!(none.candidates().by_hash(random), None);
    }
}

#[test]
fn ten_thousand_backends_are_served_like_two() {
    let (all, fewer) = (equal(10_000), equal(9_999));
    for key in randoms(200) {
        let (with, without) = (by_hash(&all, key), by_hash(&fewer, key));
        assert!(with == without || with == "neg-9999", "{with} without it {without}");
    }
    let mut thousands = [0; 10];
    for random in randoms(50_000) {
        let index: usize = by_weight(&all, random)["neg-".len()..].parse().unwrap();
        thousands[index / 1_000] += 1;
    }
    assert!(chi_squared(&thousands, &[1.0; 10]) > UNLIKELY, "{thousands:?}");
}

/// A change here moves every client that is routed by hash.
#[test]
fn consistent_choices_never_change() {
    // Computed by an independent implementation: tests/golden/tokens.py.
    let backends = backends(&[("neg-demo-0", 1), ("neg-demo-1", 2), ("neg-demo-2", 3)]);
    let chosen = (1..=40).map(|index| by_hash(&backends, mix(index)).replace("neg-demo-", ""));
    assert_eq!(chosen.collect::<String>(), "2122110022122112221120022222221222222222");
}

fn with_backups(unavailable: &[&str]) -> Vec<String> {
    let backend = |cluster: &str, weight, is_backup| Backend::new(cluster.to_owned(), weight, is_backup);
    let backends = Backends::new([
        backend("a", 1, false),
        backend("b", 1, false),
        backend("draining", 0, false),
        backend("draining-backup", 0, true),
        backend("backup", 3, true),
        backend("other-backup", 1, true),
    ]);
    let unavailable = unavailable.iter().map(|cluster| BackendId::of(cluster)).collect();
    let candidates = backends.candidates_without(&unavailable);
    randoms(1_000).map(|random| candidates.by_weight(random).unwrap().cluster().to_owned()).collect()
}

#[test]
fn backups_are_candidates_only_while_no_other_backend_takes_new_sessions() {
    assert!(p_value(with_backups(&[]), &[("a", 1), ("b", 1)]) > UNLIKELY);
    assert!(with_backups(&["a"]).iter().all(|cluster| cluster == "b"));
    let both = with_backups(&["a", "b"]);
    assert!(p_value(both, &[("backup", 3), ("other-backup", 1)]) > UNLIKELY);
    let none = with_backups(&["a", "b", "backup", "other-backup"]);
    assert!(none.iter().all(|cluster| cluster == "draining"));
    let none = with_backups(&["a", "b", "backup", "other-backup", "draining"]);
    assert!(none.iter().all(|cluster| cluster == "draining-backup"));
}
