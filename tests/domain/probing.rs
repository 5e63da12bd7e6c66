//! Which backend is probed when, and what the answers make of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use session_affinity::backends::BackendId;
use session_affinity::health::Health;
use session_affinity::probing::Prober;
use session_affinity::service::Services;
use session_affinity::session::Millis;

use crate::support::{NOW, services};

/// Between two ticks.
const TICK: Millis = 200;

/// A service with so many backends, `neg-0` and so on, checked like this.
fn checked(count: usize, health_check: &Value) -> Services {
    let backends: Vec<String> = (0..count).map(|index| format!("neg-{index}")).collect();
    services(&json!({ "backends": backends, "healthCheck": health_check }))
}

/// How often each backend is probed from now until then.
fn counts(prober: &mut Prober, services: &Services, from: Millis, until: Millis) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for now in (from..until).step_by(200) {
        for probe in prober.due(services, now) {
            *counts.entry(probe.cluster.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

#[test]
fn first_probes_are_spread_over_one_interval() {
    let services = checked(10, &json!({ "checkIntervalSec": 5 }));
    let mut prober = Prober::new(&services, NOW);
    let mut all = 0;
    for tick in 0..25 {
        let due = prober.due(&services, NOW + tick * TICK).len();
        assert!(due <= 1, "{due} at the same time");
        all += due;
    }
    assert_eq!(all, 10, "in five seconds");
}

#[test]
fn each_backend_is_probed_once_in_an_interval() {
    let services = checked(7, &json!({ "checkIntervalSec": 2 }));
    let mut prober = Prober::new(&services, NOW);
    let counts = counts(&mut prober, &services, NOW, NOW + 60_000);
    assert_eq!(counts.len(), 7);
    assert!(counts.values().all(|count| (29..=31).contains(count)), "{counts:?}");
}

#[test]
fn a_probe_is_what_the_service_asks_for() {
    let checks = json!({ "requestPath": "/healthz?full=1", "checkIntervalSec": 9, "timeoutSec": 3 });
    let services = services(&json!({
        "services": [
            { "name": "none", "routes": ["none"], "backends": ["unchecked"] },
            { "name": "shop", "backends": ["shop-0"], "healthCheck": checks },
        ],
    }));
    let mut prober = Prober::new(&services, NOW);
    let due = prober.due(&services, NOW);
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].cluster, due[0].path, due[0].timeout_sec), ("shop-0", "/healthz?full=1", 3));
    assert!(!prober.is_idle());
    assert!(Prober::default().is_idle());
}

/// More than can be asked in one tick, or even in one interval.
#[test]
fn of_many_backends_none_is_left_out() {
    const MANY: usize = 6_000;
    let services = checked(MANY, &json!({ "checkIntervalSec": 1 }));
    let mut prober = Prober::new(&services, NOW);
    let counts = counts(&mut prober, &services, NOW, NOW + 30_000);
    assert_eq!(counts.len(), MANY, "some are never probed");
    let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
    assert!(most - least <= 2, "some are probed {least} times, others {most} times");
}

#[test]
fn a_tick_that_comes_late_does_not_make_up_for_those_before() {
    let services = checked(3, &json!({ "checkIntervalSec": 1 }));
    let mut prober = Prober::new(&services, NOW);
    counts(&mut prober, &services, NOW, NOW + 5_000);
    assert_eq!(prober.due(&services, NOW + 60_000).len(), 3);
    assert_eq!(prober.due(&services, NOW + 60_200).len(), 0);
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_probes() {
    let services = checked(3, &json!({ "checkIntervalSec": 5 }));
    let mut prober = Prober::new(&services, NOW);
    counts(&mut prober, &services, NOW, NOW + 10_000);
    let back = NOW - 3_600_000;
    let counts = counts(&mut prober, &services, back, back + 10_000);
    assert!(counts.values().all(|count| (1..=3).contains(count)), "{counts:?}");
    assert_eq!(counts.len(), 3);
}

/// What is found, one after another, when probes of the one backend are answered so, one in a second.
fn findings(check: Value, results: &[bool]) -> Vec<Option<Health>> {
    let mut check = check;
    check["checkIntervalSec"] = json!(1);
    let services = checked(1, &check);
    let mut prober = Prober::new(&services, NOW);
    let mut answer = |(second, passed): (Millis, &bool)| {
        let target = prober.due(&services, NOW + second * 1_000)[0].target;
        let finding = prober.answered(&services, target, *passed)?;
        assert_eq!((finding.service, finding.backend), (0, BackendId::of("neg-0")));
        Some(finding.health)
    };
    (0..).zip(results).map(&mut answer).collect()
}

/// Found, where the first of the probes that say so was sent so many seconds after the beginning.
fn passes(second: Millis) -> Health {
    Health::Passes { since: NOW + second * 1_000 }
}

#[test]
fn so_many_results_in_a_row_as_configured_make_a_finding_and_tell_since_when() {
    let check = json!({ "healthyThreshold": 2, "unhealthyThreshold": 3 });
    let found = findings(check, &[false, false, false, false, true, true, true]);
    let sick = Some(Health::Fails);
    assert_eq!(
        found,
        [None, None, sick, sick, None, Some(passes(4)), Some(passes(5))],
        "said again as long as it is so"
    );
}

#[test]
fn a_result_of_the_other_kind_ends_a_row() {
    let check = json!({ "healthyThreshold": 3, "unhealthyThreshold": 2 });
    let found = findings(check, &[false, true, false, true, true, false, true, true, true]);
    assert_eq!(found[..8], [None; 8]);
    assert_eq!(found[8], Some(passes(6)));
}

#[test]
fn an_answer_belongs_to_the_probe_that_was_sent_under_its_token_once() {
    let services = checked(3, &json!({ "checkIntervalSec": 1 }));
    let mut prober = Prober::new(&services, NOW);
    prober.sent(7, 2);
    prober.sent(4, 0);
    prober.sent(9, 1);
    assert_eq!(prober.target_of(4), Some(0));
    assert_eq!(prober.target_of(4), None);
    assert_eq!(prober.target_of(5), None, "nobody's");
    assert_eq!(prober.target_of(9), Some(1));
    assert_eq!(prober.target_of(7), Some(2));
    assert_eq!(prober.answered(&services, 3, true), None, "there is no such target");
}
