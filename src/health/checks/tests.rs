use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::testing::{NOW, services};

/// Time between two ticks.
const TICK: Millis = 200;

fn add(checks: &mut HealthChecks<String>, config: &Value) {
    for service in services(config) {
        if let Some(check) = service.health.health_check() {
            let clusters = service.backends().iter().map(|backend| backend.cluster().to_owned());
            checks.add(check, clusters, NOW);
        }
    }
}

/// The health checks of a service with the backends `neg-0`, `neg-1` and so on.
fn checks(count: usize, health_check: &Value) -> HealthChecks<String> {
    let backends: Vec<String> = (0..count).map(|index| format!("neg-{index}")).collect();
    let mut checks = HealthChecks::default();
    add(&mut checks, &json!({ "backends": backends, "healthCheck": health_check }));
    checks
}

/// The number of probes of each backend between two times.
fn counts(checks: &mut HealthChecks<String>, from: Millis, until: Millis) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for now in (from..until).step_by(200) {
        for probe in checks.due(now) {
            *counts.entry(probe.subject).or_insert(0) += 1;
        }
    }
    counts
}

#[test]
fn first_probes_are_spread_over_one_interval() {
    let mut checks = checks(10, &json!({ "checkIntervalSec": 5 }));
    let mut all = 0;
    for tick in 0..25 {
        let due = checks.due(NOW + tick * TICK).len();
        assert!(due <= 1, "{due} at the same time");
        all += due;
    }
    assert_eq!(all, 10, "in five seconds");
}

#[test]
fn each_backend_is_probed_once_per_interval() {
    let mut checks = checks(7, &json!({ "checkIntervalSec": 2 }));
    let counts = counts(&mut checks, NOW, NOW + 60_000);
    assert_eq!(counts.len(), 7);
    assert!(counts.values().all(|count| (29..=31).contains(count)), "{counts:?}");
}

#[test]
fn only_services_with_a_health_check_are_probed() {
    let mut checks = HealthChecks::default();
    assert!(checks.is_empty());
    add(&mut checks, &json!({ "backends": ["unchecked"] }));
    assert!(checks.is_empty());
    add(
        &mut checks,
        &json!({
            "services": [
                { "name": "none", "routes": ["none"], "backends": ["unchecked"] },
                { "name": "shop", "backends": ["shop-0"], "healthCheck": {} },
            ],
        }),
    );
    assert!(!checks.is_empty());
    let due = checks.due(NOW);
    assert_eq!(due.iter().map(|probe| probe.subject.as_str()).collect::<Vec<_>>(), ["shop-0"]);
}

/// There are more backends than can be probed in one tick, and more than can be probed in one interval.
#[test]
fn each_of_many_backends_is_probed() {
    const MANY: usize = 6_000;
    let mut checks = checks(MANY, &json!({ "checkIntervalSec": 1 }));
    let counts = counts(&mut checks, NOW, NOW + 30_000);
    assert_eq!(counts.len(), MANY, "some are never probed");
    let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
    assert!(most - least <= 2, "some are probed {least} times, others {most} times");
}

#[test]
fn a_late_tick_does_not_make_up_for_missed_ticks() {
    let mut checks = checks(3, &json!({ "checkIntervalSec": 1 }));
    counts(&mut checks, NOW, NOW + 5_000);
    assert_eq!(checks.due(NOW + 60_000).len(), 3);
    assert_eq!(checks.due(NOW + 60_200).len(), 0);
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_probes() {
    let mut checks = checks(3, &json!({ "checkIntervalSec": 5 }));
    counts(&mut checks, NOW, NOW + 10_000);
    let back = NOW - 3_600_000;
    let counts = counts(&mut checks, back, back + 10_000);
    assert!(counts.values().all(|count| (1..=3).contains(count)), "{counts:?}");
    assert_eq!(counts.len(), 3);
}

/// The findings after each of these results of one backend, which is probed once a second.
fn findings(mut check: Value, results: &[ProbeResult]) -> Vec<Option<CheckResult>> {
    check["checkIntervalSec"] = json!(1);
    let mut checks = checks(1, &check);
    let mut note = |(second, result): (Millis, &ProbeResult)| {
        let probe = checks.due(NOW + second * 1_000).remove(0);
        let (subject, finding) = checks.note(&probe, *result)?;
        assert_eq!(subject, "neg-0");
        Some(finding)
    };
    (0..).zip(results).map(&mut note).collect()
}

/// The backend passes. The first of the consecutive passed probes was sent at this second after the start.
const fn passes(second: Millis) -> CheckResult {
    CheckResult::Passes { since: NOW + second * 1_000 }
}

use ProbeResult::{Failed, NotSent, Passed};

#[test]
fn the_configured_number_of_consecutive_results_is_a_finding() {
    let check = json!({ "healthyThreshold": 2, "unhealthyThreshold": 3 });
    let found = findings(check, &[Failed, Failed, Failed, Failed, Passed, Passed, Passed]);
    let fails = Some(CheckResult::Fails);
    // Each further result repeats the finding.
    assert_eq!(found, [None, None, fails, fails, None, Some(passes(4)), Some(passes(5))]);
}

#[test]
fn a_result_of_the_other_kind_resets_the_count() {
    let check = json!({ "healthyThreshold": 3, "unhealthyThreshold": 2 });
    let results = [Failed, Passed, Failed, Passed, Passed, Failed, Passed, Passed, Passed];
    let found = findings(check, &results);
    assert_eq!(found[..8], [None; 8]);
    assert_eq!(found[8], Some(passes(6)));
}

#[test]
fn a_probe_that_was_not_sent_says_nothing() {
    let check = json!({ "healthyThreshold": 2, "unhealthyThreshold": 2 });
    let results = [Failed, NotSent, NotSent, Failed, NotSent, Passed, NotSent, Passed];
    let found = findings(check, &results);
    let fails = Some(CheckResult::Fails);
    assert_eq!(found, [None, None, None, fails, None, None, None, Some(passes(5))]);
}

#[test]
fn a_result_belongs_to_the_probe_with_its_token_and_counts_once() {
    let mut checks = checks(3, &json!({ "checkIntervalSec": 1, "unhealthyThreshold": 1 }));
    let probes: Vec<_> = (0..5).flat_map(|tick| checks.due(NOW + tick * TICK)).collect();
    for (token, probe) in [7, 4, 9].into_iter().zip(&probes) {
        checks.sent(token, probe);
    }
    let fails = |cluster: &str| Some((cluster.to_owned(), CheckResult::Fails));
    assert_eq!(checks.answered(4, Failed), fails("neg-1"));
    assert_eq!(checks.answered(4, Failed), None);
    assert_eq!(checks.answered(5, Failed), None, "no probe has this token");
    assert_eq!(checks.answered(9, Failed), fails("neg-2"));
    assert_eq!(checks.answered(7, Failed), fails("neg-0"));
}
