//! Picking by weight and choosing consistently. All randomness is fixed, so that a test passes always or never.

use std::collections::BTreeMap;

use harness::chi_squared;
use session_affinity::backends::{BackendId, Backends};
use session_affinity::hash::{hash, mix};

use crate::support::{p_value, randoms};

const UNLIKELY: f64 = 0.001;

fn backends(weights: &[(&str, u32)]) -> Backends {
    Backends::new(weights.iter().map(|(cluster, weight)| ((*cluster).to_owned(), *weight)))
}

/// `count` backends of weight 1: `neg-0` and so on.
fn equal(count: usize) -> Backends {
    Backends::new((0..count).map(|index| (format!("neg-{index}"), 1)))
}

#[test]
fn picks_follow_the_weights() {
    let weights = [("a", 1), ("b", 2), ("c", 3), ("d", 0), ("e", 3), ("f", 100)];
    let backends = backends(&weights);
    let picked = randoms(100_000).map(|random| backends.all().pick(random).cluster());
    assert!(p_value(picked, &weights) > UNLIKELY);
}

#[test]
fn choices_follow_the_weights() {
    let weights = [("a", 1), ("b", 2), ("c", 3), ("d", 0), ("e", 3), ("f", 100)];
    let backends = backends(&weights);
    let chosen = randoms(100_000).map(|key| backends.all().choose(key).cluster());
    assert!(p_value(chosen, &weights) > UNLIKELY);
}

#[test]
fn the_smallest_and_largest_weights_get_their_shares() {
    let weights = [("canary", 1), ("stable", 1000)];
    let backends = backends(&weights);
    let picked = randoms(200_000).map(|random| backends.all().pick(random).cluster());
    assert!(p_value(picked, &weights) > UNLIKELY);
    let chosen = randoms(200_000).map(|key| backends.all().choose(key).cluster());
    assert!(p_value(chosen, &weights) > UNLIKELY);
}

#[test]
fn each_backend_has_a_part_of_the_range_of_randomness_as_large_as_its_weight() {
    let backends = backends(&[("a", 1), ("b", 2), ("c", 1)]);
    let mut parts = BTreeMap::new();
    for eighth in 0..8 {
        *parts.entry(backends.all().pick(eighth << 61).cluster()).or_insert(0) += 1;
    }
    assert_eq!(parts, BTreeMap::from([("a", 2), ("b", 4), ("c", 2)]));
    assert_ne!(backends.all().pick(u64::MAX).cluster(), backends.all().pick(0).cluster());
}

#[test]
fn keys_that_follow_one_another_spread_evenly() {
    let weights = [("neg-0", 1), ("neg-1", 1), ("neg-2", 1)];
    let backends = backends(&weights);
    // Not fixed by a seed: such are the keys of a subnet's addresses before hashing.
    let chosen = (0..30_000_u32).map(|address| backends.all().choose(hash(&address.to_be_bytes())).cluster());
    assert!(p_value(chosen, &weights) > UNLIKELY);
    let chosen = (0..30_000).map(|key| backends.all().choose(key).cluster());
    assert!(p_value(chosen, &weights) > UNLIKELY);
}

#[test]
fn adding_one_to_n_backends_moves_one_in_n_plus_one_keys_and_all_to_the_new_one() {
    const KEYS: u64 = 20_000;
    for count in [1, 2, 3, 10, 50] {
        let (before, after) = (equal(count), equal(count + 1));
        let new = format!("neg-{count}");
        let mut moved = 0;
        for key in randoms(KEYS) {
            let (old, now) = (before.all().choose(key).cluster(), after.all().choose(key).cluster());
            if old != now {
                assert_eq!(now, new);
                moved += 1;
            }
        }
        let weights = [1.0, f64::from(u32::try_from(count).unwrap())];
        assert!(chi_squared(&[moved, KEYS - moved], &weights) > UNLIKELY, "{moved} moved to {new}");
    }
}

#[test]
fn removing_a_backend_moves_its_own_keys_alone_and_spreads_them_by_weight() {
    let before = backends(&[("a", 2), ("b", 1), ("gone", 5), ("c", 3)]);
    let rest = [("a", 2), ("b", 1), ("c", 3)];
    let after = backends(&rest);
    let mut moved = Vec::new();
    for key in randoms(50_000) {
        let (old, now) = (before.all().choose(key).cluster(), after.all().choose(key).cluster());
        if old == "gone" {
            moved.push(now);
        } else {
            assert_eq!(old, now);
        }
    }
    assert!(p_value(moved, &rest) > UNLIKELY);
}

#[test]
fn a_higher_weight_draws_keys_and_a_lower_one_gives_them_away() {
    let (low, high) = (backends(&[("a", 2), ("b", 1), ("c", 3)]), backends(&[("a", 2), ("b", 4), ("c", 3)]));
    let (mut moved, mut kept) = (0, 0);
    for key in randoms(20_000) {
        let (before, after) = (low.all().choose(key).cluster(), high.all().choose(key).cluster());
        if before == after {
            kept += 1;
        } else {
            assert_eq!(after, "b");
            moved += 1;
        }
    }
    // From 1/6 of the keys to 4/9: 5/18 move.
    assert!(chi_squared(&[moved, kept], &[5.0, 13.0]) > UNLIKELY, "{moved} moved");
}

#[test]
fn the_order_of_the_list_means_nothing_to_a_choice() {
    let mut list = vec![("a", 1), ("b", 5), ("c", 5), ("d", 1), ("e", 7), ("f", 0), ("g", 1)];
    let first = backends(&list);
    for _ in 0..list.len() {
        list.rotate_left(1);
        let (rotated, reversed) =
            (backends(&list), backends(&list.iter().rev().copied().collect::<Vec<_>>()));
        for key in randoms(1_000) {
            assert_eq!(rotated.all().choose(key), first.all().choose(key));
            assert_eq!(reversed.all().choose(key), first.all().choose(key));
        }
    }
}

#[test]
fn a_backend_of_weight_zero_is_found_but_neither_picked_nor_chosen() {
    let backends = backends(&[("draining", 0), ("a", 1)]);
    assert_eq!(backends.get(BackendId::of("draining")).unwrap().cluster(), "draining");
    for random in randoms(1_000) {
        assert_eq!(backends.all().pick(random).cluster(), "a");
        assert_eq!(backends.all().choose(random).cluster(), "a");
    }
}

#[test]
fn a_backend_that_is_not_in_the_list_is_not_found() {
    let backends = backends(&[("a", 1)]);
    assert_eq!(backends.get(BackendId::of("b")), None);
    assert_eq!(backends.get(BackendId::from_bits(0)), None);
}

#[test]
fn ten_thousand_backends_are_served_like_two() {
    let (all, fewer) = (equal(10_000), equal(9_999));
    for index in 0..10_000 {
        let cluster = format!("neg-{index}");
        assert_eq!(all.get(BackendId::of(&cluster)).unwrap().cluster(), cluster);
    }
    for key in randoms(500) {
        let (with, without) = (all.all().choose(key).cluster(), fewer.all().choose(key).cluster());
        assert!(with == without || with == "neg-9999", "{with} without it {without}");
    }
    let mut thousands = [0; 10];
    for random in randoms(50_000) {
        let index: usize = all.all().pick(random).cluster()["neg-".len()..].parse().unwrap();
        thousands[index / 1_000] += 1;
    }
    assert!(chi_squared(&thousands, &[1.0; 10]) > UNLIKELY, "{thousands:?}");
}

/// From `golden.py`, which follows the papers and not this crate: a change here moves every session there is.
#[test]
fn ids_and_choices_are_what_they_were_in_every_release() {
    for (cluster, id) in [
        ("neg-demo-0", 0xe7_a447_5cad),
        ("neg-demo-1", 0x2c_f89a_1586),
        ("blue", 0x97_dad3_af10),
        ("outbound|80||shop.default.svc.cluster.local", 0x3b_fd2f_d785),
    ] {
        assert_eq!(BackendId::of(cluster).to_bits(), id, "{cluster}");
    }
    let backends = backends(&[("neg-demo-0", 1), ("neg-demo-1", 2), ("neg-demo-2", 3)]);
    let chosen = (1..=40).map(|index| backends.all().choose(mix(index)).cluster().replace("neg-demo-", ""));
    assert_eq!(chosen.collect::<String>(), "1010221022112202220211121021120222222221");
}
