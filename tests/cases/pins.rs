//! `pin`, `onUnavailable` and the fields of availability: their values, and what each of them requires.

use super::Refused;
use super::combinations::Row;

pub fn refused() -> Vec<Refused> {
    let rows = [UNAVAILABLE, PINS].concat();
    rows.into_iter().map(|(config, path, problem)| Refused::new(config, path, problem)).collect()
}

pub fn accepted() -> Vec<String> {
    ACCEPTED.iter().map(|config| (*config).to_owned()).collect()
}

const UNAVAILABLE: &[Row] = &[
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["a"],"rejectStatus":503}"#,
        "rejectStatus",
        "has no effect without onUnavailable REJECT; allowed: only with REJECT; given: 503",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["a"],"onUnavailable":"REPIN","rejectStatus":503}"#,
        "rejectStatus",
        "has no effect without onUnavailable REJECT; allowed: only with REJECT; given: 503",
    ),
    (
        r#"{"backends":["a"],"onUnavailable":"REJECT"}"#,
        "onUnavailable",
        r#"cannot work with affinityType NONE, which carries no token; allowed: REPIN, or REJECT with GENERATED_COOKIE, GENERATED_HEADER, HEADER_ENVELOPE, COOKIE_ENVELOPE; given: "REJECT""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"CLIENT_IP"},"backends":["a"],"onUnavailable":"REJECT"}"#,
        "onUnavailable",
        r#"cannot work with affinityType CLIENT_IP, which carries no token; allowed: REPIN, or REJECT with GENERATED_COOKIE, GENERATED_HEADER, HEADER_ENVELOPE, COOKIE_ENVELOPE; given: "REJECT""#,
    ),
    (
        r#"{"backends":["a"],"healthCheck":{"checkIntervalSec":3,"timeoutSec":4}}"#,
        "healthCheck.timeoutSec",
        "longer than checkIntervalSec; allowed: at most 3, as checkIntervalSec; given: 4",
    ),
    (
        r#"{"backends":["a"],"healthCheck":{"timeoutSec":6}}"#,
        "healthCheck.timeoutSec",
        "longer than checkIntervalSec; allowed: at most 5, as checkIntervalSec; given: 6",
    ),
];

const PINS: &[Row] = &[
    (
        r#"{"backends":["a"],"pin":"ENDPOINT"}"#,
        "pin",
        r#"cannot work with affinityType NONE, which carries no token; allowed: CLUSTER (to hash over endpoints, use hash_policy of Envoy's routes); given: "ENDPOINT""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"CLIENT_IP"},"backends":["a"],"pin":"CLUSTER_AND_ENDPOINT"}"#,
        "pin",
        r#"cannot work with affinityType CLIENT_IP, which carries no token; allowed: CLUSTER (to hash over endpoints, use hash_policy of Envoy's routes); given: "CLUSTER_AND_ENDPOINT""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"pin":"ENDPOINT"}"#,
        "pin",
        r#"needs keys: the token holds an address; allowed: CLUSTER, or add keys; given: "ENDPOINT""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["a"],"pin":"CLUSTER_AND_ENDPOINT"}"#,
        "pin",
        r#"needs keys: the token holds an address; allowed: CLUSTER, or add keys; given: "CLUSTER_AND_ENDPOINT""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["a"],"pin":"ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
        "backends",
        "has no effect with pin ENDPOINT; allowed: left out: the route's own cluster has the endpoints, and \
         Envoy knows their health; given: a list",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"healthCheck":{},"pin":"ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
        "healthCheck",
        "has no effect with pin ENDPOINT; allowed: left out: the route's own cluster has the endpoints, and \
         Envoy knows their health; given: an object",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HTTP_COOKIE"},"backends":["a"],"pin":"ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
        "pin",
        r#"cannot work with affinityType HTTP_COOKIE, which carries no token; allowed: CLUSTER (to hash over endpoints, use hash_policy of Envoy's routes); given: "ENDPOINT""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD","header":{"name":"x-s"}},"backends":["a"],"pin":"CLUSTER_AND_ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
        "pin",
        r#"cannot work with affinityType HEADER_FIELD, which carries no token; allowed: CLUSTER (to hash over endpoints, use hash_policy of Envoy's routes); given: "CLUSTER_AND_ENDPOINT""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HEADER_ENVELOPE","header":{"name":"x-s"}},"pin":"ENDPOINT"}"#,
        "pin",
        r#"needs keys: the token holds an address; allowed: CLUSTER, or add keys; given: "ENDPOINT""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"outlierDetection":{},"pin":"ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
        "outlierDetection",
        "has no effect with pin ENDPOINT; allowed: left out: the route's own cluster has the endpoints, and \
         Envoy knows their health; given: an object",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"failover":false,"pin":"ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
        "failover",
        "has no effect with pin ENDPOINT; allowed: left out: the route's own cluster has the endpoints, and \
         Envoy knows their health; given: false",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_HEADER","header":{"name":"x-s"}},"pin":"CLUSTER_AND_ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
        "backends",
        "missing; allowed: a list of clusters, each a name or an object of cluster, weight and backup; given: nothing",
    ),
];

const ACCEPTED: &[&str] = &[
    r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"pin":"ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
    r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["a"],"pin":"CLUSTER_AND_ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
    r#"{"sessionAffinity":{"affinityType":"GENERATED_HEADER","header":{"name":"x-s"}},"pin":"ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
    r#"{"sessionAffinity":{"affinityType":"GENERATED_HEADER","header":{"name":"x-s"}},"backends":["a"],"pin":"CLUSTER_AND_ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
    r#"{"sessionAffinity":{"affinityType":"HEADER_ENVELOPE","header":{"name":"x-s"}},"pin":"ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
    r#"{"sessionAffinity":{"affinityType":"HEADER_ENVELOPE","header":{"name":"x-s"}},"backends":["a"],"pin":"CLUSTER_AND_ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
    r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"pin":"ENDPOINT","onUnavailable":"REJECT","rejectStatus":410,"keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
    r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["a"],"healthCheck":{},"outlierDetection":{},"pin":"CLUSTER_AND_ENDPOINT","keys":[{"id":"k","env":"SESSION_AFFINITY_KEY"}]}"#,
];
