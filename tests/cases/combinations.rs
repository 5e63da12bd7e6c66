//! Errors that only a combination of several fields causes, and text that is not a configuration.

use super::Refused;

/// Configuration, path, problem.
pub type Row = (&'static str, &'static str, &'static str);

pub fn refused() -> Vec<Refused> {
    let rows = [TEXTS, NUMBERS, SHAPES, HEADERS, AFFINITIES, COOKIES, ACROSS_SERVICES];
    let rows = rows.concat();
    rows.into_iter().map(|(config, path, problem)| Refused::new(config, path, problem)).collect()
}

pub fn accepted() -> Vec<String> {
    ACCEPTED.iter().map(|config| (*config).to_owned()).collect()
}

const TEXTS: &[Row] = &[
    ("", "(root)", "no configuration; allowed: JSON, or a google.protobuf.Struct; given: nothing"),
    (
        " ",
        "(root)",
        "not JSON: EOF while parsing a value at line 1 column 1; allowed: JSON, or a google.protobuf.Struct; \
         given: 1 bytes",
    ),
    (
        "backends: [a]",
        "(root)",
        "not JSON: expected value at line 1 column 1; allowed: JSON, or a google.protobuf.Struct; \
         given: 13 bytes",
    ),
    (
        "\n\n{\"backends\": [\"a\",]}",
        "(root)",
        "not JSON: trailing comma at line 3 column 19; allowed: JSON, or a google.protobuf.Struct; \
         given: 22 bytes",
    ),
    (
        r#"{"backends":["a"]"#,
        "(root)",
        "not JSON: EOF while parsing an object at line 1 column 17; allowed: JSON, or a google.protobuf.Struct; \
         given: 17 bytes",
    ),
    (
        r#"{"backends":["a"]} {}"#,
        "(root)",
        "not JSON: trailing characters at line 1 column 20; allowed: JSON, or a google.protobuf.Struct; \
         given: 21 bytes",
    ),
    (
        r#"{"backends":["\ud800"]}"#,
        "(root)",
        "not JSON: unexpected end of hex escape at line 1 column 21; allowed: JSON, or a \
         google.protobuf.Struct; given: 23 bytes",
    ),
    (
        r#"{"rejectStatus":1e999}"#,
        "(root)",
        "not JSON: number out of range at line 1 column 21; allowed: JSON, or a google.protobuf.Struct; \
         given: 22 bytes",
    ),
    ("null", "(root)", "wrong type; allowed: an object; given: null"),
    ("true", "(root)", "wrong type; allowed: an object; given: true"),
    ("7", "(root)", "wrong type; allowed: an object; given: 7"),
    (r#""{}""#, "(root)", r#"wrong type; allowed: an object; given: "{}""#),
    ("[]", "(root)", "wrong type; allowed: an object; given: an empty list"),
    (r#"[{"backends":["a"]}]"#, "(root)", "wrong type; allowed: an object; given: a list"),
];

const INTEGER: &str = "backends[1].weight";
const NUMBERS: &[Row] = &[
    (
        r#"{"backends":["a",{"cluster":"b","weight":0.25}]}"#,
        INTEGER,
        "not an integer; allowed: an integer from 0 to 1000; given: 0.25",
    ),
    (
        r#"{"backends":["a",{"cluster":"b","weight":-0.0001}]}"#,
        INTEGER,
        "not an integer; allowed: an integer from 0 to 1000; given: -0.000...",
    ),
    (
        r#"{"backends":["a",{"cluster":"b","weight":999.9999}]}"#,
        INTEGER,
        "not an integer; allowed: an integer from 0 to 1000; given: 999.999...",
    ),
    (
        r#"{"backends":["a",{"cluster":"b","weight":4294967297}]}"#,
        INTEGER,
        "out of range; allowed: an integer from 0 to 1000; given: 4294967297",
    ),
    (
        r#"{"backends":["a",{"cluster":"b","weight":1e300}]}"#,
        INTEGER,
        "out of range; allowed: an integer from 0 to 1000; given: 1e12 or beyond",
    ),
    (
        r#"{"backends":["a",{"cluster":"b","weight":-1e300}]}"#,
        INTEGER,
        "out of range; allowed: an integer from 0 to 1000; given: -1e12 or beyond",
    ),
];

const SHAPES: &[Row] = &[
    (
        "{}",
        "backends",
        "missing; allowed: a list of clusters, each a name or an object of cluster, weight and backup; given: nothing",
    ),
    (
        r#"{"services":[{"backends":["a"],"routes":["r"]},{"routes":["s"]}]}"#,
        "services[1].backends",
        "missing; allowed: a list of clusters, each a name or an object of cluster, weight and backup; given: nothing",
    ),
    (r#"{"backends":[]}"#, "backends", "empty; allowed: at least one backend; given: an empty list"),
    (
        r#"{"backends":["a"],"routes":[]}"#,
        "routes",
        "empty; allowed: at least one route, or leave routes out to serve every other route; given: an empty list",
    ),
    (r#"{"services":[]}"#, "services", "empty; allowed: at least one service; given: an empty list"),
    (
        r#"{"backends":["a"],"keys":[]}"#,
        "keys",
        "empty; allowed: at least one key, or leave keys out; given: (not shown)",
    ),
    (
        r#"{"backends":["a",{}]}"#,
        "backends[1].cluster",
        "missing; allowed: the name of an Envoy cluster (visible ASCII, 1 to 256 bytes); given: nothing",
    ),
    (
        r#"{"backends":["a",""]}"#,
        "backends[1]",
        r#"illegal value; allowed: the name of an Envoy cluster (visible ASCII, 1 to 256 bytes); given: """#,
    ),
    (
        r#"{"backends":["a","b\n\u001b[31mb"]}"#,
        "backends[1]",
        r#"illegal value; allowed: the name of an Envoy cluster (visible ASCII, 1 to 256 bytes); given: "b\n\u{1b}[31mb""#,
    ),
    (
        r#"{"backends":["a","b","a"]}"#,
        "backends[2]",
        r#"duplicate of backends[0]; allowed: each cluster once; given: "a""#,
    ),
    (
        r#"{"backends":[{"cluster":"a","weight":3},{"cluster":"a","weight":3}]}"#,
        "backends[1].cluster",
        r#"duplicate of backends[0].cluster; allowed: each cluster once; given: "a""#,
    ),
    (
        r#"{"backends":[{"cluster":"a","weight":0},{"cluster":"b","weight":0}]}"#,
        "backends",
        "every weight is 0; allowed: at least one weight from 1 to 1000; given: a list",
    ),
    (
        r#"{"backends":["a"],"routes":["r","s","r"]}"#,
        "routes[2]",
        r#"duplicate of routes[0]; allowed: each route once; given: "r""#,
    ),
    (
        r#"{"backends":["a"],"cluster_header":"x-mine"}"#,
        "cluster_header",
        r#"unknown field; allowed: services, clusterHeader, endpointHeader, debugHeader, logOutcome, keys, name, routes, sessionAffinity, backends, pin, onUnavailable, rejectStatus, failover, outlierDetection, healthCheck; given: "cluster_header""#,
    ),
    (
        r#"{"backends":[{"cluster":"a","":1}]}"#,
        "backends[0]",
        r#"unknown field; allowed: cluster, weight, backup; given: """#,
    ),
    (
        r#"{"backends":[{"cluster":"a","two words":1}]}"#,
        "backends[0]",
        r#"unknown field; allowed: cluster, weight, backup; given: "two words""#,
    ),
    (r#"{"backends":["a"],"backends":["a"]}"#, "backends", "given twice; allowed: once; given: a list"),
    (
        r#"{"sessionAffinity":{},"backends":["a"]}"#,
        "sessionAffinity.affinityType",
        "missing; allowed: NONE, CLIENT_IP, GENERATED_COOKIE, HTTP_COOKIE, HEADER_FIELD, QUERY_PARAMETER, GENERATED_HEADER, \
         HEADER_ENVELOPE, COOKIE_ENVELOPE; given: nothing",
    ),
];

const HEADERS: &[Row] = &[
    (
        r#"{"backends":["a"],"clusterHeader":"x-mine","endpointHeader":"X-Mine"}"#,
        "endpointHeader",
        r#"the same name as clusterHeader; allowed: a different name; given: "X-Mine""#,
    ),
    (
        r#"{"backends":["a"],"clusterHeader":"X-Affinity-Endpoint"}"#,
        "clusterHeader",
        r#"the same name as endpointHeader (its default); allowed: a different name; given: "X-Affinity-Endpoint""#,
    ),
    (
        r#"{"backends":["a"],"endpointHeader":"x-affinity-cluster"}"#,
        "endpointHeader",
        r#"the same name as clusterHeader (its default); allowed: a different name; given: "x-affinity-cluster""#,
    ),
    (
        r#"{"backends":["a"],"debugHeader":"x-affinity-cluster"}"#,
        "debugHeader",
        r#"the same name as clusterHeader (its default); allowed: a different name; given: "x-affinity-cluster""#,
    ),
    (
        r#"{"backends":["a"],"debugHeader":"x-affinity-endpoint"}"#,
        "debugHeader",
        r#"the same name as endpointHeader (its default); allowed: a different name; given: "x-affinity-endpoint""#,
    ),
    (
        r#"{"backends":["a"],"endpointHeader":"x-mine","debugHeader":"x-mine"}"#,
        "debugHeader",
        r#"the same name as endpointHeader; allowed: a different name; given: "x-mine""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD","header":{"name":"x-affinity-cluster"}},"backends":["a"]}"#,
        "sessionAffinity.header.name",
        r#"the same name as clusterHeader; allowed: a different name; given: "x-affinity-cluster""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD","header":{"name":"X-Debug"}},"backends":["a"],"debugHeader":"x-debug"}"#,
        "sessionAffinity.header.name",
        r#"the same name as debugHeader; allowed: a different name; given: "X-Debug""#,
    ),
];

const AFFINITIES: &[Row] = &[
    (
        r#"{"sessionAffinity":{"affinityType":"NONE","cookie":{}},"backends":["a"]}"#,
        "sessionAffinity.cookie",
        "has no effect with affinityType NONE; allowed: only with GENERATED_COOKIE, HTTP_COOKIE, COOKIE_ENVELOPE; given: an object",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_HEADER","header":{"name":"x-s"},"cookie":{}},"backends":["a"]}"#,
        "sessionAffinity.cookie",
        "has no effect with affinityType GENERATED_HEADER; allowed: only with GENERATED_COOKIE, HTTP_COOKIE, \
         COOKIE_ENVELOPE; given: an object",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","clientIp":{}},"backends":["a"]}"#,
        "sessionAffinity.clientIp",
        "has no effect with affinityType GENERATED_COOKIE; allowed: only with CLIENT_IP, or with fallback CLIENT_IP; \
         given: an object",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"NONE","fallback":"CLIENT_IP"},"backends":["a"]}"#,
        "sessionAffinity.fallback",
        "has no effect with affinityType NONE; allowed: only with GENERATED_COOKIE, HTTP_COOKIE, HEADER_FIELD, \
         QUERY_PARAMETER, GENERATED_HEADER, HEADER_ENVELOPE, COOKIE_ENVELOPE; given: \"CLIENT_IP\"",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"CLIENT_IP","fallback":"CLIENT_IP"},"backends":["a"]}"#,
        "sessionAffinity.fallback",
        "has no effect with affinityType CLIENT_IP; allowed: only with GENERATED_COOKIE, HTTP_COOKIE, HEADER_FIELD, \
         QUERY_PARAMETER, GENERATED_HEADER, HEADER_ENVELOPE, COOKIE_ENVELOPE; given: \"CLIENT_IP\"",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE"},"backends":["a"]}"#,
        "sessionAffinity.cookie.name",
        "missing; allowed: the name of the application's session cookie; given: nothing",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE","cookie":{"name":"SID","path":"/app"}},"backends":["a"]}"#,
        "sessionAffinity.cookie.path",
        "has no effect with affinityType COOKIE_ENVELOPE: the application owns the cookie; allowed: left out; \
         given: \"/app\"",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE","cookie":{"name":"SID","hideFromUpstream":true}},"backends":["a"]}"#,
        "sessionAffinity.cookie.hideFromUpstream",
        "has no effect with affinityType COOKIE_ENVELOPE: the application owns the cookie; allowed: left out; \
         given: true",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE","cookie":{"name":"SID","sameSite":"LAX"}},"backends":["a"]}"#,
        "sessionAffinity.cookie.sameSite",
        "has no effect with affinityType COOKIE_ENVELOPE: the application owns the cookie; allowed: left out; \
         given: \"LAX\"",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE","cookie":{"name":"SID"},"idleTimeoutSec":9},"backends":["a"]}"#,
        "sessionAffinity.idleTimeoutSec",
        "has no effect with affinityType COOKIE_ENVELOPE; allowed: only with GENERATED_COOKIE, GENERATED_HEADER, \
         HEADER_ENVELOPE; given: 9",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"QUERY_PARAMETER"},"backends":["a"]}"#,
        "sessionAffinity.queryParameter",
        "missing; allowed: an object with the query parameter's name; given: nothing",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD","header":{"name":"x-s"},"queryParameter":{"name":"q"}},"backends":["a"]}"#,
        "sessionAffinity.queryParameter",
        "has no effect with affinityType HEADER_FIELD; allowed: only with QUERY_PARAMETER; given: an object",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"QUERY_PARAMETER","queryParameter":{"name":"q"},"affinityCookieTtlSec":9},"backends":["a"]}"#,
        "sessionAffinity.affinityCookieTtlSec",
        "has no effect with affinityType QUERY_PARAMETER; allowed: only with NONE, CLIENT_IP, GENERATED_COOKIE, \
         HTTP_COOKIE, GENERATED_HEADER, HEADER_ENVELOPE; given: 9",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"CLIENT_IP","header":{"name":"x-s"}},"backends":["a"]}"#,
        "sessionAffinity.header",
        "has no effect with affinityType CLIENT_IP; allowed: only with HEADER_FIELD, GENERATED_HEADER, \
         HEADER_ENVELOPE; given: an object",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"NONE","idleTimeoutSec":1},"backends":["a"]}"#,
        "sessionAffinity.idleTimeoutSec",
        "has no effect with affinityType NONE; allowed: only with GENERATED_COOKIE, GENERATED_HEADER, \
         HEADER_ENVELOPE; given: 1",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HTTP_COOKIE","idleTimeoutSec":1},"backends":["a"]}"#,
        "sessionAffinity.idleTimeoutSec",
        "has no effect with affinityType HTTP_COOKIE; allowed: only with GENERATED_COOKIE, GENERATED_HEADER, \
         HEADER_ENVELOPE; given: 1",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD","header":{"name":"x-s"},"affinityCookieTtlSec":1},"backends":["a"]}"#,
        "sessionAffinity.affinityCookieTtlSec",
        "has no effect with affinityType HEADER_FIELD; allowed: only with NONE, CLIENT_IP, GENERATED_COOKIE, \
         HTTP_COOKIE, GENERATED_HEADER, HEADER_ENVELOPE; given: 1",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD"},"backends":["a"]}"#,
        "sessionAffinity.header",
        "missing; allowed: an object with the header's name; given: nothing",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_HEADER"},"backends":["a"]}"#,
        "sessionAffinity.header",
        "missing; allowed: an object with the header's name; given: nothing",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HEADER_ENVELOPE","header":{}},"backends":["a"]}"#,
        "sessionAffinity.header.name",
        "missing; allowed: a header name (RFC 9110 token, at most 128 bytes) that is no pseudo-header, no hop-by-hop header and not cookie, set-cookie, host or content-length; given: nothing",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HTTP_COOKIE","cookie":{"hideFromUpstream":true}},"backends":["a"]}"#,
        "sessionAffinity.cookie.hideFromUpstream",
        "has no effect with affinityType HTTP_COOKIE: the application owns the cookie; allowed: only with \
         GENERATED_COOKIE; given: true",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD","header":{"name":"x-s"}},"backends":["a"],"onUnavailable":"REJECT"}"#,
        "onUnavailable",
        r#"cannot work with affinityType HEADER_FIELD, which carries no token; allowed: REPIN, or REJECT with GENERATED_COOKIE, GENERATED_HEADER, HEADER_ENVELOPE, COOKIE_ENVELOPE; given: "REJECT""#,
    ),
];

const SECURE: &str = "sessionAffinity.cookie.secure";
const COOKIES: &[Row] = &[
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"__Host-a"}},"backends":["a"]}"#,
        SECURE,
        "browsers drop a cookie with the prefix __Host- unless this is ALWAYS; allowed: ALWAYS; given: nothing",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"__SECURE-a","secure":"NEVER"}},"backends":["a"]}"#,
        SECURE,
        r#"browsers drop a cookie with the prefix __Secure- unless this is ALWAYS; allowed: ALWAYS; given: "NEVER""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"__Http-a","secure":"AUTO"}},"backends":["a"]}"#,
        SECURE,
        r#"browsers drop a cookie with the prefix __Http- unless this is ALWAYS; allowed: ALWAYS; given: "AUTO""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"sameSite":"NONE"}},"backends":["a"]}"#,
        SECURE,
        "browsers drop a cookie with sameSite NONE unless this is ALWAYS; allowed: ALWAYS; given: nothing",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"partitioned":true}},"backends":["a"]}"#,
        SECURE,
        "browsers drop a cookie with partitioned true unless this is ALWAYS; allowed: ALWAYS; given: nothing",
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"__host-a","secure":"ALWAYS","path":"/shop"}},"backends":["a"]}"#,
        "sessionAffinity.cookie.path",
        r#"browsers drop a cookie with the prefix __Host- unless this is /; allowed: /; given: "/shop""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"__Host-a","secure":"ALWAYS","domain":"a.example"}},"backends":["a"]}"#,
        "sessionAffinity.cookie.domain",
        r#"browsers drop a cookie with the prefix __Host- unless this is left out; allowed: left out; given: "a.example""#,
    ),
    (
        r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"__Host-Http-a","secure":"ALWAYS","httpOnly":false}},"backends":["a"]}"#,
        "sessionAffinity.cookie.httpOnly",
        "browsers drop a cookie with the prefix __Http- or __Host-Http- unless this is true; allowed: true; \
         given: false",
    ),
];

const ACROSS_SERVICES: &[Row] = &[
    (
        r#"{"services":[{"backends":["a"]}],"name":"shop"}"#,
        "name",
        r#"given beside services; allowed: services, or the fields of a single service; given: "shop""#,
    ),
    (
        r#"{"services":[{"backends":["a"]}],"backends":["a"]}"#,
        "backends",
        "given beside services; allowed: services, or the fields of a single service; given: a list",
    ),
    (
        r#"{"services":[{"backends":["a"],"clusterHeader":"x-mine"}]}"#,
        "services[0].clusterHeader",
        r#"unknown field; allowed: name, routes, sessionAffinity, backends, pin, onUnavailable, rejectStatus, failover, outlierDetection, healthCheck; given: "clusterHeader""#,
    ),
    (
        r#"{"services":[{"backends":["a"],"routes":["r"]},{"backends":["a"]}]}"#,
        "services[1].name",
        r#"duplicate of services[0].name; allowed: a unique name; given: "default""#,
    ),
    (
        r#"{"services":[{"name":"s","backends":["a"],"routes":["r"]},{"name":"s","backends":["a"]}]}"#,
        "services[1].name",
        r#"duplicate of services[0].name; allowed: a unique name; given: "s""#,
    ),
    (
        r#"{"services":[{"name":"s","backends":["a"]},{"name":"t","backends":["a"]}]}"#,
        "services[1].routes",
        "missing, and services[0].routes is missing too; allowed: at most one service without routes; given: nothing",
    ),
    (
        r#"{"services":[{"name":"s","backends":["a"],"routes":["q","r"]},{"name":"t","backends":["a"],"routes":["r"]}]}"#,
        "services[1].routes[0]",
        r#"duplicate of services[0].routes[1]; allowed: each route in one service; given: "r""#,
    ),
    (
        r#"{"services":[{"name":"s","backends":["a"],"routes":["q"],"sessionAffinity":{"affinityType":"GENERATED_COOKIE"}},{"name":"t","backends":["a"],"routes":["r"],"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"GCLB"}}}]}"#,
        "services[1].sessionAffinity.cookie.name",
        r#"duplicate of services[0].sessionAffinity.cookie.name; allowed: a unique name: cookies with the same name overwrite each other in a browser; given: "GCLB""#,
    ),
    (
        r#"{"services":[{"name":"s","backends":["a"],"routes":["q"],"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE","cookie":{"name":"SID"}}},{"name":"t","backends":["a"],"routes":["r"],"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"SID"}}}]}"#,
        "services[1].sessionAffinity.cookie.name",
        r#"duplicate of services[0].sessionAffinity.cookie.name; allowed: a name that no application's session cookie has; given: "SID""#,
    ),
    (
        r#"{"services":[{"name":"s","backends":["a"],"routes":["q"],"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"SID","hideFromUpstream":true}}},{"name":"t","backends":["a"],"routes":["r"],"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE","cookie":{"name":"SID"}}}]}"#,
        "services[0].sessionAffinity.cookie.name",
        r#"duplicate of services[1].sessionAffinity.cookie.name; allowed: a name that no application's session cookie has; given: "SID""#,
    ),
    (
        r#"{"services":[{"name":"s","backends":["a"],"routes":["q"]},{"name":"t","backends":["a"],"sessionAffinity":{"affinityType":"GENERATED_COOKIE","affinityCookieTtlSec":-1}}]}"#,
        "services[1].sessionAffinity.affinityCookieTtlSec",
        "out of range; allowed: an integer from 0 to 1209600; given: -1",
    ),
];

/// Fields that are valid alone, or only together.
const ACCEPTED: &[&str] = &[
    r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","affinityCookieTtlSec":50},"backends":["neg-demo-0","neg-demo-1"]}"#,
    "\n\t {\"backends\": [\"a\"]} \r\n",
    r#"{"backends":[{"cluster":"a","weight":0},{"cluster":"b","weight":1}]}"#,
    // GKE accepts this. The filter accepts it with a warning.
    r#"{"sessionAffinity":{"affinityType":"NONE","affinityCookieTtlSec":50},"backends":["a"]}"#,
    r#"{"sessionAffinity":{"affinityType":"CLIENT_IP","affinityCookieTtlSec":50},"backends":["a"]}"#,
    r#"{"sessionAffinity":{"affinityType":"NONE","idleTimeoutSec":0},"backends":["a"]}"#,
    r#"{"backends":["a"],"clusterHeader":"x-affinity-endpoint","endpointHeader":"x-affinity-cluster"}"#,
    r#"{"backends":["a"],"clusterHeader":"x-mine","debugHeader":"x-affinity-cluster"}"#,
    r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"__Host-Http-a","secure":"ALWAYS"}},"backends":["a"]}"#,
    r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"__Secure-a","secure":"ALWAYS","path":"/shop","domain":"a.example","httpOnly":false}},"backends":["a"]}"#,
    r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["a"],"onUnavailable":"REJECT","rejectStatus":503}"#,
    r#"{"services":[{"backends":["a"]}],"clusterHeader":"x-mine"}"#,
    r#"{"services":[{"name":"s","backends":["a"],"routes":["r"],"sessionAffinity":{"affinityType":"GENERATED_COOKIE"}},{"name":"t","backends":["a"],"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"name":"gclb"}}}]}"#,
    r#"{"sessionAffinity":{"affinityType":"HTTP_COOKIE","affinityCookieTtlSec":50,"cookie":{"name":"user"}},"backends":["a"]}"#,
    r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD","header":{"name":"X-User"}},"backends":["a"]}"#,
    r#"{"sessionAffinity":{"affinityType":"QUERY_PARAMETER","queryParameter":{"name":"user"},"fallback":"CLIENT_IP"},"backends":["a"]}"#,
    r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","fallback":"CLIENT_IP","clientIp":{"ipv6PrefixLen":64}},"backends":["a"]}"#,
    r#"{"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE","cookie":{"name":"SID","path":"/","hideFromUpstream":false},"fallback":"CLIENT_IP"},"backends":["a"],"onUnavailable":"REJECT"}"#,
    // Two applications on different paths of one host have a cookie of the same name.
    r#"{"services":[{"name":"s","backends":["a"],"routes":["q"],"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE","cookie":{"name":"JSESSIONID"}}},{"name":"t","backends":["b"],"routes":["r"],"sessionAffinity":{"affinityType":"COOKIE_ENVELOPE","cookie":{"name":"JSESSIONID"}}}]}"#,
    r#"{"backends":[{"cluster":"a","backup":true},{"cluster":"b","weight":2,"backup":true}]}"#,
    r#"{"sessionAffinity":{"affinityType":"GENERATED_HEADER","header":{"name":"x-s"},"affinityCookieTtlSec":50,"idleTimeoutSec":5},"backends":["a"]}"#,
    r#"{"sessionAffinity":{"affinityType":"HEADER_ENVELOPE","header":{"name":"Mcp-Session-Id"},"idleTimeoutSec":5},"backends":["a"],"onUnavailable":"REJECT"}"#,
];
