//! Each field of the configuration alone: null, wrong types, its boundaries from both sides, twice, and next to an
//! unknown field.

use super::field::{Field, boolean, field, integer, list, object, quote, text, word};
use super::{Refused, SECRET};

const SERVICE: &str = r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["a"],@}"#;
const AFFINITY: &str = r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE",@},"backends":["a"]}"#;
const COOKIE: &str =
    r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{@}},"backends":["a"]}"#;
const SECURE_COOKIE: &str = r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE","cookie":{"secure":"ALWAYS",@}},"backends":["a"]}"#;
const HEADER: &str = r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD","header":{@}},"backends":["a"]}"#;
const CLIENT_IP: &str = r#"{"sessionAffinity":{"affinityType":"CLIENT_IP","clientIp":{@}},"backends":["a"]}"#;
const OUTLIERS: &str = r#"{"backends":["a"],"outlierDetection":{@}}"#;
const HEALTH: &str = r#"{"backends":["a"],"healthCheck":{@}}"#;
const KEY: &str = r#"{"backends":["a"],"keys":[{"id":"k1",@}]}"#;

const HEADER_NAME: &str = "a header name (RFC 9110 token, at most 128 bytes) that is no pseudo-header, \
    no hop-by-hop header and not cookie, set-cookie, host or content-length";
const CLUSTER: &str = "the name of an Envoy cluster (visible ASCII, 1 to 256 bytes)";
const COOKIE_PATH: &str = "a path that starts with / (visible ASCII without ; ? and #, at most 1024 bytes)";
const BASE64: &str = "at least 32 bytes as base64 with padding (for example from: openssl rand -base64 32)";
/// Two weeks in seconds.
const FORTNIGHT: u32 = 1_209_600;

pub fn refused() -> Vec<Refused> {
    fields().iter().flat_map(Field::refused).chain(unknown_fields()).collect()
}

pub fn accepted() -> Vec<String> {
    fields().iter().flat_map(Field::accepted).collect()
}

fn fields() -> Vec<Field> {
    [top_level(), keys(), service(), backends(), affinity(), cookie(), detection()]
        .into_iter()
        .flatten()
        .collect()
}

fn header_name(within: &'static str, path: &'static str) -> Field {
    let (longest, too_long) = ("n".repeat(128), "n".repeat(129));
    let pseudo = ["", ":path", "x y", "x:y", "naïve", "x\r\ny", &too_long];
    let hop_by_hop = ["Connection", "keep-alive", "Proxy-Connection", "TE", "Trailer", "transfer-encoding"];
    let ours_and_envoys = ["Upgrade", "cookie", "Set-Cookie", "HOST", "content-length"];
    text(within, path, HEADER_NAME, &["x-mine", "X-Mine!#$%&'*+-.^_`|~", &longest])
        .refuses(&pseudo)
        .refuses(&hop_by_hop)
        .refuses(&ours_and_envoys)
}

fn top_level() -> Vec<Field> {
    vec![
        list("{@}", "services").takes(&[r#"[{"backends":["a"]}]"#]),
        object(r#"{"services":[@]}"#, "services[0]").takes(&[r#"{"backends":["a"]}"#]),
        header_name(SERVICE, "clusterHeader"),
        header_name(SERVICE, "endpointHeader"),
        header_name(SERVICE, "debugHeader"),
        boolean(SERVICE, "logOutcome"),
    ]
}

fn keys() -> Vec<Field> {
    const SECOND: &str = r#"{"backends":["a"],"keys":[@]}"#;
    const ID: &str = r#"{"backends":["a"],"keys":[{"env":"SESSION_AFFINITY_KEY",@}]}"#;
    let key = format!(r#"{{"id":"k1","secret":"{SECRET}"}}"#);
    vec![
        list(SERVICE, "keys").takes(&[&format!("[{key}]")]),
        object(SECOND, "keys[0]").takes(&[&key]),
        text(ID, "keys[0].id", "[A-Za-z0-9_-]{1,8}", &["k", "-_aZ0189"]).refuses(&[
            "",
            "123456789",
            "a b",
            "a.b",
            "é",
        ]),
        text(KEY, "keys[0].secret", BASE64, &[SECRET]),
        text(KEY, "keys[0].env", "the name of a variable", &["SESSION_AFFINITY_KEY"]).refuses(&[""]),
    ]
}

fn service() -> Vec<Field> {
    const ROUTES: &str = r#"{"backends":["a"],"routes":[@]}"#;
    const REJECT: &str = r#"{"sessionAffinity":{"affinityType":"GENERATED_COOKIE"},"backends":["a"],"onUnavailable":"REJECT",@}"#;
    let (longest, too_long) = ("s".repeat(64), "s".repeat(65));
    vec![
        text(SERVICE, "name", "[A-Za-z0-9_-]{1,64}", &["a", "_-9Z", &longest]).refuses(&[
            "",
            "two words",
            "a.b",
            "é",
            "a\nb",
            &too_long,
        ]),
        list(SERVICE, "routes").takes(&[r#"["shop"]"#]),
        text(ROUTES, "routes[0]", "the name of an Envoy route", &["r", "any name, really: ü"]).refuses(&[""]),
        object(r#"{"backends":["a"],@}"#, "sessionAffinity").takes(&[r#"{"affinityType":"NONE"}"#]),
        word(SERVICE, "pin", &["CLUSTER", "ENDPOINT", "CLUSTER_AND_ENDPOINT"]).takes(&[r#""CLUSTER""#]),
        word(SERVICE, "onUnavailable", &["REPIN", "REJECT"]),
        integer(REJECT, "rejectStatus", 400, 599),
        boolean(SERVICE, "failover"),
        object(r#"{"backends":["a"],@}"#, "outlierDetection").takes(&["{}"]),
        object(r#"{"backends":["a"],@}"#, "healthCheck").takes(&["{}"]),
    ]
}

fn backends() -> Vec<Field> {
    const SECOND: &str = r#"{"backends":["a",@]}"#;
    const CLUSTER_OF_SECOND: &str = r#"{"backends":["a",{@}]}"#;
    const WEIGHT: &str = r#"{"backends":["a",{"cluster":"b",@}]}"#;
    let (longest, too_long) = ("c".repeat(256), "c".repeat(257));
    let element = "a cluster's name, or an object of cluster, weight and backup";
    vec![
        list("{@}", "backends").takes(&[r#"["a"]"#]),
        field(SECOND, "backends[1]", element, &[r#""7""#, "{}"]).takes(&[
            r#""b""#,
            &quote(&longest),
            r#"{"cluster":"b"}"#,
        ]),
        text(CLUSTER_OF_SECOND, "backends[1].cluster", CLUSTER, &["outbound|80||a.b.svc", &longest])
            .refuses(&["", "b b", "é", "b\n", &too_long]),
        integer(WEIGHT, "backends[1].weight", 0, 1000),
        boolean(WEIGHT, "backends[1].backup"),
    ]
}

fn affinity() -> Vec<Field> {
    const TYPE: &str = r#"{"sessionAffinity":{@},"backends":["a"]}"#;
    let types = [
        "NONE",
        "CLIENT_IP",
        "GENERATED_COOKIE",
        "HTTP_COOKIE",
        "HEADER_FIELD",
        "QUERY_PARAMETER",
        "GENERATED_HEADER",
        "HEADER_ENVELOPE",
        "COOKIE_ENVELOPE",
    ];
    vec![
        word(TYPE, "sessionAffinity.affinityType", &types).takes(&[
            r#""NONE""#,
            r#""CLIENT_IP""#,
            r#""GENERATED_COOKIE""#,
            r#""HTTP_COOKIE""#,
        ]),
        integer(AFFINITY, "sessionAffinity.affinityCookieTtlSec", 0, FORTNIGHT),
        integer(AFFINITY, "sessionAffinity.idleTimeoutSec", 0, FORTNIGHT),
        object(AFFINITY, "sessionAffinity.cookie").takes(&["{}"]),
        object(
            r#"{"sessionAffinity":{"affinityType":"HEADER_FIELD",@},"backends":["a"]}"#,
            "sessionAffinity.header",
        )
        .takes(&[r#"{"name":"x-user"}"#]),
        header_name(HEADER, "sessionAffinity.header.name"),
        object(
            r#"{"sessionAffinity":{"affinityType":"QUERY_PARAMETER",@},"backends":["a"]}"#,
            "sessionAffinity.queryParameter",
        )
        .takes(&[r#"{"name":"user"}"#]),
        text(
            r#"{"sessionAffinity":{"affinityType":"QUERY_PARAMETER","queryParameter":{@}},"backends":["a"]}"#,
            "sessionAffinity.queryParameter.name",
            "the name of a query parameter (1 to 128 bytes)",
            &["q", "any name, really: ü", &"p".repeat(128)],
        )
        .refuses(&["", &"p".repeat(129)]),
        word(AFFINITY, "sessionAffinity.fallback", &["WEIGHT", "CLIENT_IP"]),
        object(
            r#"{"sessionAffinity":{"affinityType":"CLIENT_IP",@},"backends":["a"]}"#,
            "sessionAffinity.clientIp",
        )
        .takes(&["{}"]),
        integer(CLIENT_IP, "sessionAffinity.clientIp.ipv4PrefixLen", 0, 32),
        integer(CLIENT_IP, "sessionAffinity.clientIp.ipv6PrefixLen", 0, 128),
    ]
}

/// A host name of the maximum length.
fn long_domain() -> String {
    [63, 63, 63, 61].map(|len| "d".repeat(len)).join(".")
}

fn cookie() -> Vec<Field> {
    let (name, too_long_name) = ("n".repeat(128), "n".repeat(129));
    let (path, too_long_path) = (format!("/{}", "p".repeat(1023)), format!("/{}", "p".repeat(1024)));
    let domain = long_domain();
    let (too_long_label, too_long_domain) = (format!("{}.com", "d".repeat(64)), format!("d{domain}"));
    vec![
        text(
            COOKIE,
            "sessionAffinity.cookie.name",
            "a cookie name (RFC 6265 token, at most 128 bytes)",
            &["a", "A!#$%&'*+-.^_`|~9", &name],
        )
        .refuses(&["", "a b", "a=b", "a;b", "a,b", "\"a\"", "é", &too_long_name]),
        text(COOKIE, "sessionAffinity.cookie.path", COOKIE_PATH, &["/", "/shop,a/%20", &path]).refuses(&[
            "",
            "shop",
            "/a b",
            "/a;b",
            "/a?b",
            "/a#b",
            "/ü",
            "/\r\n",
            &too_long_path,
        ]),
        text(
            COOKIE,
            "sessionAffinity.cookie.domain",
            "a host name of two or more labels such as example.com, without a leading dot, and no IP address",
            &["example.com", "1.example", "xn--bcher-kva.example", "10.0.0.1.nip.io", &domain],
        )
        .refuses(&["", ".example.com", "example.com.", "a..b", "-a.b", "a-.b", "a_b.c", "bücher.example"])
        .refuses(&["a b", "a;b", &too_long_label, &too_long_domain])
        .refuses(&["localhost", "com", "127.0.0.1", "a.1", "10.0.0.0xff", "::1", "[::1]"]),
        word(COOKIE, "sessionAffinity.cookie.secure", &["AUTO", "ALWAYS", "NEVER"]),
        boolean(COOKIE, "sessionAffinity.cookie.httpOnly"),
        word(SECURE_COOKIE, "sessionAffinity.cookie.sameSite", &["LAX", "STRICT", "NONE", "UNSET"]),
        boolean(SECURE_COOKIE, "sessionAffinity.cookie.partitioned"),
        boolean(COOKIE, "sessionAffinity.cookie.hideFromUpstream"),
        word(COOKIE, "sessionAffinity.cookie.lifetimeType", &["PERMANENT", "SESSION"]),
    ]
}

fn detection() -> Vec<Field> {
    const SLOW: &str = r#"{"backends":["a"],"healthCheck":{"checkIntervalSec":300,@}}"#;
    const QUICK: &str = r#"{"backends":["a"],"healthCheck":{"timeoutSec":1,@}}"#;
    let path = "/".to_owned() + &"p".repeat(1023);
    let too_long_path = format!("{path}p");
    let domain = long_domain();
    let too_long_domain = format!("d{domain}");
    let path_rule = "a path that starts with / (visible ASCII, at most 1024 bytes)";
    let outliers = |path, min, max| integer(OUTLIERS, path, min, max);
    vec![
        outliers("outlierDetection.consecutiveLocalOriginFailure", 0, u16::MAX.into()),
        outliers("outlierDetection.consecutiveGatewayErrors", 0, u16::MAX.into()),
        outliers("outlierDetection.baseEjectionTimeSec", 1, 300),
        outliers("outlierDetection.maxEjectionPercent", 0, 100),
        text(HEALTH, "healthCheck.requestPath", path_rule, &["/", "/healthz?deep=1", &path]).refuses(&[
            "",
            "healthz",
            "http://a/",
            "/a b",
            "/ü",
            "/\r\n",
            &too_long_path,
        ]),
        text(
            HEALTH,
            "healthCheck.host",
            "a host as in a Host header, such as example.com or example.com:8080",
            &[
                "a",
                "a.example",
                "a.example:1",
                "my_pod:65535",
                "10.0.0.1:80",
                "[::1]",
                "[2001:db8::1]:80",
                &domain,
            ],
        )
        .refuses(&["", "a b", "a/b", "http://a", "a@b", "é", "a\r\nb", "outbound|80||a", "a.", ".a", "-a"])
        .refuses(&["a:", "a:0", "a:65536", "a:+1", "a:1:2", ":80", "::1", "[::1", "[::1]80", "[::1]:", "[a]"])
        .refuses(&[&too_long_domain]),
        integer(QUICK, "healthCheck.checkIntervalSec", 1, 300),
        integer(SLOW, "healthCheck.timeoutSec", 1, 300),
        integer(HEALTH, "healthCheck.healthyThreshold", 1, 10),
        integer(HEALTH, "healthCheck.unhealthyThreshold", 1, 10),
    ]
}

/// An unknown field in each object, and the known fields that the error lists.
fn unknown_fields() -> Vec<Refused> {
    const IN_SERVICE: &str = "name, routes, sessionAffinity, backends, pin, onUnavailable, rejectStatus, \
        failover, outlierDetection, healthCheck";
    let at_top =
        format!("services, clusterHeader, endpointHeader, debugHeader, logOutcome, keys, {IN_SERVICE}");
    let objects = [
        (SERVICE, "", at_top.as_str()),
        (r#"{"services":[{"backends":["a"],@}]}"#, "services[0].", IN_SERVICE),
        (r#"{"backends":["a",{"cluster":"b",@}]}"#, "backends[1].", "cluster, weight, backup"),
        (
            AFFINITY,
            "sessionAffinity.",
            "affinityType, affinityCookieTtlSec, idleTimeoutSec, cookie, header, queryParameter, clientIp, fallback",
        ),
        (
            COOKIE,
            "sessionAffinity.cookie.",
            "name, path, domain, secure, httpOnly, sameSite, partitioned, hideFromUpstream, lifetimeType",
        ),
        (HEADER, "sessionAffinity.header.", "name"),
        (CLIENT_IP, "sessionAffinity.clientIp.", "ipv4PrefixLen, ipv6PrefixLen"),
        (
            OUTLIERS,
            "outlierDetection.",
            "consecutiveLocalOriginFailure, consecutiveGatewayErrors, baseEjectionTimeSec, maxEjectionPercent",
        ),
        (
            HEALTH,
            "healthCheck.",
            "requestPath, host, checkIntervalSec, timeoutSec, healthyThreshold, unhealthyThreshold",
        ),
        (KEY, "keys[0].", "id, secret, env"),
    ];
    let unknown = |(within, path, known): (&str, &str, &str)| {
        let config = within.replace('@', r#""unheardOf":1"#);
        let problem = format!(r#"unknown field; allowed: {known}; given: "unheardOf""#);
        Refused::new(config, &format!("{path}unheardOf"), problem)
    };
    objects.into_iter().map(unknown).collect()
}
