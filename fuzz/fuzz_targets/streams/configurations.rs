//! The plugins whose streams are fuzzed: every affinity type, pin and carrier.

/// One plugin, and the properties that its streams must have.
pub struct Case {
    pub configuration: &'static str,
    /// The application's own cookie that the filter wraps. All other cookies stay unchanged.
    pub wrapped: Option<&'static str>,
    /// Whether every request names one of the clusters `a`, `b` and `c`.
    pub names_cluster: bool,
    /// Whether the filter names endpoints, and their addresses are encrypted.
    pub pins_endpoints: bool,
}

const fn case(configuration: &'static str) -> Case {
    Case { configuration, wrapped: None, names_cluster: true, pins_endpoints: false }
}

const fn endpoints(configuration: &'static str, names_cluster: bool) -> Case {
    Case { configuration, wrapped: None, names_cluster, pins_endpoints: true }
}

pub const CASES: [Case; 14] = [
    case(r#"{"backends":["a","b",{"cluster":"c","weight":0}]}"#),
    case(r#"{"sessionAffinity":{"affinityType":"CLIENT_IP"},"backends":["a","b","c"]}"#),
    case(
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","affinityCookieTtlSec":50,"idleTimeoutSec":20},
        "backends":["a","b",{"cluster":"c","backup":true}],"debugHeader":"x-debug","logOutcome":true,
        "keys":[{"id":"k","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE="}]}"#,
    ),
    case(
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","fallback":"CLIENT_IP"},"backends":["a","b"],
        "outlierDetection":{"consecutiveGatewayErrors":2},"failover":true}"#,
    ),
    case(
        r#"{"sessionAffinity":{"affinityType":"HTTP_COOKIE","affinityCookieTtlSec":9,"cookie":{"name":"GCLB"}},
        "backends":["a","b"],"healthCheck":{"checkIntervalSec":1,"timeoutSec":1}}"#,
    ),
    case(
        r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD","header":{"name":"x-session"}},"backends":["a","b"]}"#,
    ),
    case(
        r#"{"sessionAffinity":{"affinityType":"QUERY_PARAMETER","queryParameter":{"name":"user"}},
        "backends":["a","b"]}"#,
    ),
    case(
        r#"{"sessionAffinity":{"affinityType":"GENERATED_HEADER","header":{"name":"x-session"},"idleTimeoutSec":9},
        "backends":["a","b"],"onUnavailable":"REJECT"}"#,
    ),
    case(
        r#"{"sessionAffinity":{"affinityType":"HEADER_ENVELOPE","header":{"name":"x-session"},
        "affinityCookieTtlSec":30},"backends":["a","b"],
        "keys":[{"id":"k","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE="}]}"#,
    ),
    Case {
        wrapped: Some("SID"),
        ..case(
            r#"{"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE","cookie":{"name":"SID"}},
            "backends":["a","b"],"keys":[{"id":"k","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE="}]}"#,
        )
    },
    endpoints(
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"pin":"ENDPOINT",
        "keys":[{"id":"k","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE="}]}"#,
        false,
    ),
    endpoints(
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"pin":"CLUSTER_AND_ENDPOINT",
        "onUnavailable":"REJECT","rejectStatus":599,"backends":["a","b"],
        "keys":[{"id":"k","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE="}]}"#,
        true,
    ),
    endpoints(
        r#"{"sessionAffinity":{"affinityType":"HEADER_ENVELOPE","header":{"name":"x-session"}},
        "pin":"CLUSTER_AND_ENDPOINT","backends":["a","b"],
        "keys":[{"id":"k","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE="}]}"#,
        true,
    ),
    // The first route's service hides its cookie, and the third route has no service.
    Case {
        names_cluster: false,
        wrapped: Some("GCLB"),
        ..case(
            r#"{"services":[
            {"name":"one","routes":["one"],"backends":["a","b"],"sessionAffinity":
            {"affinityType":"GENERATED_COOKIE","cookie":{"hideFromUpstream":true}}},
            {"name":"two","routes":["two"],"backends":["b","c"],"sessionAffinity":
            {"affinityType":"HTTP_COOKIE","cookie":{"name":"TWO"}}}]}"#,
        )
    },
];
