//! Many streams, incomplete streams, and streams out of order.

use serde_json::json;

use crate::host::{Vm, World};
use crate::support::{exchange, generated_cookie, header, plugin, request, response};

#[test]
fn a_hundred_thousand_streams_leave_memory_where_it_was() {
    let (mut vm, root) = plugin(&generated_cookie());
    let (_, cookie) = exchange(&mut vm, root, None);
    let mut before = 0;
    for round in 0..100_000 {
        match round % 20 {
            // A new session, and a session whose client has gone.
            0 => drop(exchange(&mut vm, root, None)),
            1 => {
                let stream = request(&mut vm, root, None);
                vm.delete(stream);
            }
            // A connection that closes before the request arrives.
            2 => {
                let stream = vm.create(root);
                vm.delete(stream);
            }
            3 => drop(exchange(&mut vm, root, Some("GCLB=x; GCLB=y; GCLB=z"))),
            _ => drop(exchange(&mut vm, root, cookie.as_deref())),
        }
        if round % 100 == 0 {
            vm.tick(root);
            vm.calls();
        }
        if round == 1_000 {
            before = vm.memory();
        }
    }
    assert_eq!(vm.memory(), before, "bytes of memory");
}

#[test]
fn large_headers_leave_no_memory_behind() {
    let (mut vm, root) = plugin(&generated_cookie());
    let large = format!("a={}; {}", "x".repeat(50_000), "GCLB=x; ".repeat(5_000));
    for _ in 0..10 {
        exchange(&mut vm, root, Some(&large));
    }
    let before = vm.memory();
    for _ in 0..100 {
        exchange(&mut vm, root, Some(&large));
        vm.calls();
    }
    assert_eq!(vm.memory(), before, "bytes of memory");
}

#[test]
fn streams_open_at_the_same_time_each_get_their_own_answer() {
    let (mut vm, root) = plugin(&generated_cookie());
    let mut open: Vec<(u32, String)> = (0..500)
        .map(|_| {
            let stream = request(&mut vm, root, None);
            (stream, header(&vm.world().request, "x-affinity-cluster").unwrap())
        })
        .collect();
    // The responses arrive in reverse order.
    while !open.is_empty() {
        let (stream, cluster) = open.remove(open.len() / 2);
        response(&mut vm, stream);
        let cookie = header(&vm.world().response, "set-cookie").unwrap();
        vm.delete(stream);
        let (pinned_to, _) = exchange(&mut vm, root, cookie.split(';').next());
        assert_eq!(pinned_to, cluster);
    }
}

#[test]
fn a_second_response_is_told_nothing_again() {
    let (mut vm, root) = plugin(&generated_cookie());
    let stream = request(&mut vm, root, None);
    response(&mut vm, stream);
    assert!(header(&vm.world().response, "set-cookie").is_some());
    response(&mut vm, stream);
    assert_eq!(header(&vm.world().response, "set-cookie"), None);
}

#[test]
fn a_plugin_without_a_configuration_lets_no_client_name_a_cluster() {
    let mut vm = Vm::load(World::new(""));
    let (root, taken) = vm.plugin();
    assert!(!taken);
    vm.world().request = vec![(b"x-affinity-cluster".to_vec(), b"blue".to_vec())];
    let stream = vm.create(root);
    assert_eq!(vm.request(stream), 0);
    assert_eq!(vm.world().request, []);
    assert_eq!(vm.response(stream), 0);
    vm.delete(stream);
}

#[test]
fn two_plugins_in_one_vm_keep_to_themselves() {
    let (mut vm, blue) = plugin(&json!({ "name": "b", "backends": ["blue"] }));
    vm.world().configuration = json!({ "name": "g", "backends": ["green"] }).to_string().into_bytes();
    let (green, taken) = vm.plugin();
    assert!(taken);
    for _ in 0..3 {
        assert_eq!(exchange(&mut vm, blue, None).0, "blue");
        assert_eq!(exchange(&mut vm, green, None).0, "green");
    }
    vm.tick(blue);
    vm.tick(green);
    let none = |service: &str| (format!("{service} none"), 3);
    assert_eq!(crate::support::counters(&mut vm), [none("b"), none("g")]);
    // One plugin ends, the other continues.
    vm.delete(blue);
    assert_eq!(exchange(&mut vm, green, None).0, "green");
    vm.tick(green);
    assert_eq!(exchange(&mut vm, green, None).0, "green");
}

#[test]
fn the_oldest_plugin_may_go_first() {
    let (mut vm, oldest) = plugin(&generated_cookie());
    let (other, taken) = vm.plugin();
    assert!(taken);
    vm.delete(oldest);
    let stream = request(&mut vm, other, None);
    vm.delete(stream);
    for _ in 0..5 {
        vm.tick(other);
    }
    assert_eq!(crate::support::counters(&mut vm), [("default assigned".to_owned(), 1)]);
}

#[test]
fn cookies_of_every_length_around_that_of_a_block_are_read_to_their_end() {
    let (mut vm, root) = plugin(&generated_cookie());
    let (cluster, cookie) = exchange(&mut vm, root, None);
    let cookie = cookie.unwrap();
    for length in (4_000..4_200).chain([65_535, 65_536, 65_537]) {
        let filler = "x".repeat(length - cookie.len() - "a=; ".len());
        let line = format!("a={filler}; {cookie}");
        assert_eq!(line.len(), length);
        let (went_to, kept) = exchange(&mut vm, root, Some(&line));
        assert_eq!((went_to, kept), (cluster.clone(), Some(line)));
    }
}

#[test]
fn headers_that_become_larger_and_larger_take_no_more_memory_than_the_largest() {
    let used = |sizes: &[usize]| {
        let (mut vm, root) = plugin(&generated_cookie());
        for size in sizes {
            exchange(&mut vm, root, Some(&format!("a={}; GCLB=x", "x".repeat(*size))));
        }
        vm.memory()
    };
    let rising: Vec<usize> = (1..=64).map(|times| times * 16 * 1024).collect();
    let (all, largest) = (used(&rising), used(&rising[63..]));
    assert!(all <= 2 * largest, "{all} bytes, and {largest} for the largest alone");
}

#[test]
fn what_a_plugin_counted_and_what_its_streams_await_is_counted_when_it_is_gone() {
    let (mut vm, blue) = plugin(&generated_cookie());
    let (green, taken) = vm.plugin();
    assert!(taken);
    exchange(&mut vm, blue, None);
    let stream = request(&mut vm, blue, None);
    vm.delete(stream);
    vm.delete(blue);
    // Within the same second.
    for _ in 0..5 {
        vm.tick(green);
    }
    assert_eq!(crate::support::counters(&mut vm), [("default assigned".to_owned(), 2)]);
}

#[test]
fn a_request_that_nobody_waits_for_counts_within_a_second() {
    let (mut vm, root) = plugin(&generated_cookie());
    let stream = request(&mut vm, root, None);
    vm.delete(stream);
    for _ in 0..4 {
        vm.tick(root);
    }
    assert_eq!(crate::support::counters(&mut vm), [("default assigned".to_owned(), 1)]);
}

#[test]
fn a_session_is_told_to_a_client_that_waits_for_minutes() {
    let (mut vm, root) = plugin(&generated_cookie());
    let stream = request(&mut vm, root, None);
    vm.calls();
    for _ in 0..1_000 {
        vm.tick(root);
    }
    response(&mut vm, stream);
    assert!(header(&vm.world().response, "set-cookie").is_some());
}
