//! Several workers of one Envoy, each with its own VM. The workers share their knowledge.

use std::time::Duration;

use serde_json::{Value, json};

use crate::host::{SharedData, Vm, World};
use crate::support::{exchange, generated_cookie};

/// The time between two ticks.
const TICK: Duration = Duration::from_millis(200);

/// One VM and the plugin in it.
struct Worker {
    vm: Vm,
    root: u32,
}

impl Worker {
    fn start(configuration: &Value, shared: &SharedData, index: u32) -> Self {
        let (mut vm, root, taken) = Vm::start(World::of_worker(configuration.to_string(), shared, index));
        assert!(taken, "{:?}", vm.world().log);
        Self { vm, root }
    }

    /// Runs a tick. Returns the clusters that the filter probes. Each probe gets this response.
    fn tick(&mut self, status: u16) -> Vec<String> {
        self.vm.tick(self.root);
        self.vm.answer_calls(self.root, |_| status)
    }
}

/// Cookies over `blue` and `green`, both probed every second.
fn probed() -> Value {
    let mut configuration = generated_cookie();
    configuration["healthCheck"] = json!({ "checkIntervalSec": 1, "unhealthyThreshold": 2 });
    configuration["outlierDetection"] = json!({ "consecutiveLocalOriginFailure": 0 });
    configuration
}

fn two_workers(configuration: &Value) -> [Worker; 2] {
    let shared = SharedData::default();
    [1, 2].map(|index| Worker::start(configuration, &shared, index))
}

/// Lets time pass for all workers.
fn pass(workers: &mut [Worker], time: Duration) {
    for worker in workers {
        worker.vm.world().now += time;
    }
}

#[test]
fn one_worker_probes_each_backend_once_in_an_interval_and_the_others_none() {
    let mut workers = two_workers(&probed());
    let mut probes = [Vec::new(), Vec::new()];
    for _ in 0..50 {
        pass(&mut workers, TICK);
        for (worker, probes) in workers.iter_mut().zip(&mut probes) {
            probes.extend(worker.tick(200));
        }
    }
    let [first, other] = probes;
    assert_eq!(other, [""; 0]);
    for backend in ["blue", "green"] {
        let count = first.iter().filter(|cluster| *cluster == backend).count();
        assert!((9..=11).contains(&count), "{count} probes of {backend} in ten seconds");
    }
}

#[test]
fn another_worker_probes_when_the_one_that_did_has_been_silent_for_a_second_and_a_half() {
    let mut workers = two_workers(&probed());
    for _ in 0..10 {
        pass(&mut workers, TICK);
        workers[0].tick(200);
        assert_eq!(workers[1].tick(200), [""; 0]);
    }
    let mut silent_for = Duration::ZERO;
    loop {
        pass(&mut workers, TICK);
        silent_for += TICK;
        if !workers[1].tick(200).is_empty() {
            break;
        }
        assert!(silent_for < TICK * 20, "nobody probes");
    }
    assert!(silent_for >= Duration::from_millis(1_500), "after {silent_for:?}");
    assert!(silent_for <= Duration::from_millis(1_800), "after {silent_for:?}");

    // The worker that probed before was only slow, and leaves the probes to the other worker.
    for _ in 0..20 {
        pass(&mut workers, TICK);
        assert_eq!(workers[0].tick(200), [""; 0]);
        workers[1].tick(200);
    }
}

#[test]
fn when_the_clock_is_set_back_one_worker_goes_on_probing() {
    let mut workers = two_workers(&probed());
    for _ in 0..10 {
        pass(&mut workers, TICK);
        for worker in &mut workers {
            worker.tick(200);
        }
    }
    for worker in &mut workers {
        worker.vm.world().now -= Duration::from_secs(3_600);
    }
    let mut probes = Vec::new();
    for _ in 0..50 {
        pass(&mut workers, TICK);
        probes.extend(workers.iter_mut().flat_map(|worker| worker.tick(200)));
    }
    assert!((18..=23).contains(&probes.len()), "{} probes in ten seconds", probes.len());
}

#[test]
fn what_probes_find_moves_sessions_on_the_worker_that_does_not_probe() {
    let mut workers = two_workers(&probed());
    let [_, second] = &mut workers;
    let (cluster, cookie) = exchange(&mut second.vm, second.root, None);
    let sick = cluster.clone();
    for _ in 0..15 {
        pass(&mut workers, TICK);
        let [first, second] = &mut workers;
        first.vm.tick(first.root);
        first.vm.answer_calls(first.root, |cluster| if cluster == sick { 500 } else { 200 });
        second.tick(200);
    }
    let [_, second] = &mut workers;
    let (moved_to, new) = exchange(&mut second.vm, second.root, cookie.as_deref());
    assert_ne!(moved_to, cluster);
    assert_ne!(new, cookie);
}

/// After an update, the workers with the old configuration keep serving until they are drained.
#[test]
fn a_new_configuration_probes_its_backends_while_the_old_one_still_probes() {
    let shared = SharedData::default();
    let mut updated = probed();
    updated["backends"] = json!(["blue", "green", "red"]);
    let mut old = Worker::start(&probed(), &shared, 1);
    for _ in 0..10 {
        old.vm.world().now += TICK;
        old.tick(200);
    }
    let mut new = Worker::start(&updated, &shared, 2);
    new.vm.world().now = old.vm.world().now;
    let mut of_new = Vec::new();
    for _ in 0..10 {
        for worker in [&mut old, &mut new] {
            worker.vm.world().now += TICK;
        }
        old.tick(200);
        of_new.extend(new.tick(200));
    }
    for backend in ["blue", "green", "red"] {
        assert!(of_new.iter().any(|cluster| cluster == backend), "{backend} is not among {of_new:?}");
    }
}
