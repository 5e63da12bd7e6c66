//! Counters and logs for operators.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::client::Client;
use harness::config::Bootstrap;
use harness::envoy::{Envoy, Options};
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::support::{Headers, bootstrap, fetch_each, generated_cookie, names, outcome, pods, with_cookie};

const SECRETS: [&str; 3] = [
    "U0VDUkVUT05FU0VDUkVUT05FU0VDUkVUT05FU0VDUkU=",
    "U0VDUkVUVFdPU0VDUkVUVFdPU0VDUkVUVFdPU0VDUkU=",
    "U0VDUkVUVEhSU0VDUkVUVEhSU0VDUkVUVEhSU0VDUkU=",
];

/// The counters above 0, without the common prefix of their names.
async fn counted(envoy: &Envoy) -> BTreeMap<String, u64> {
    const PREFIX: &str = "wasmcustom.session_affinity.service.";
    let all = envoy.stats("wasmcustom.").await.unwrap();
    let name = |name: &str| name.strip_prefix(PREFIX).unwrap_or_else(|| panic!("{name}")).to_owned();
    all.into_iter().filter(|(_, count)| *count > 0).map(|(full, count)| (name(&full), count)).collect()
}

/// Waits until this many requests are counted. The other counters of these requests are updated at the same time.
async fn wait_until_counted(envoy: &Envoy, requests: u64) -> BTreeMap<String, u64> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let counters = counted(envoy).await;
        if counters.values().sum::<u64>() >= requests {
            return counters;
        }
        assert!(Instant::now() < deadline, "{requests} requests, but {counters:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The filter's lines in a log.
fn own_lines(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("session-affinity")).collect()
}

/// A route with this name and path to the cluster that the filter selects.
fn route(name: &str) -> Value {
    json!({
        "name": name,
        "match": { "prefix": format!("/{name}") },
        "route": { "cluster_header": "x-affinity-cluster" },
    })
}

/// A service for each possible outcome of a request.
fn services(backends: &Value) -> Value {
    let service = |name: &str, affinity: Value| json!({ "name": name, "routes": [name], "sessionAffinity": affinity, "backends": backends });
    let cookie = |name: &str, ttl: u32| json!({ "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": ttl, "cookie": { "name": name } });
    let mut refusing = service("refusing", cookie("R", 50));
    refusing["onUnavailable"] = json!("REJECT");
    json!({ "debugHeader": "x-debug", "services": [
        service("cookie", cookie("C", 50)),
        service("short", cookie("S", 1)),
        service("address", json!({ "affinityType": "CLIENT_IP" })),
        service("nothing", json!({ "affinityType": "NONE" })),
        refusing,
    ] })
}

async fn all_outcomes(pods: &[Pod], backends: &Value) -> Envoy {
    let routes = ["cookie", "short", "address", "nothing", "refusing"].map(route);
    let config = bootstrap(pods).filter(&services(backends));
    let config = routes.into_iter().fold(config, Bootstrap::route);
    Envoy::start(&config.build()).await.unwrap()
}

#[tokio::test]
async fn counters_add_up_to_the_requests_of_each_service() {
    let pods = pods(2);
    let (lost_backend, other_backend) = (names(&pods[..1]), names(&pods[1..]));
    let (before, envoy) =
        tokio::join!(all_outcomes(&pods, &lost_backend), all_outcomes(&pods, &other_backend));
    let pair = async |envoy: &Envoy, path: &str, cookie: &str| {
        let reply = Client::http1().fetch(&format!("{}/{path}", envoy.url()), &[]).await.unwrap();
        reply.cookie_pair(cookie).unwrap().to_owned()
    };
    let short = pair(&before, "short", "S").await;
    let ends = Instant::now() + Duration::from_millis(1300);
    let lost = pair(&before, "cookie", "C").await;
    let refused = pair(&before, "refusing", "R").await;
    let kept = pair(&envoy, "cookie", "C").await;
    tokio::time::sleep_until(ends.into()).await;
    let mut expected = BTreeMap::new();
    for (path, wanted, count, cookie) in [
        ("cookie", "assigned", 31, "a=1"),
        ("cookie", "pinned", 57, &kept),
        ("cookie", "invalid", 43, "C=x"),
        ("cookie", "repinned", 29, &lost),
        ("short", "expired", 37, &short),
        ("address", "hashed", 41, "C=x"),
        ("nothing", "none", 61, "C=x"),
        ("refusing", "rejected", 47, &refused),
    ] {
        let url = format!("{}/{path}", envoy.url());
        let replies = fetch_each(Client::http1, &url, with_cookie(cookie, count)).await;
        assert!(replies.iter().all(|reply| outcome(reply) == wanted), "{path}: {wanted}");
        expected.insert(format!("{path}.outcome.{wanted}"), u64::try_from(count).unwrap());
    }
    // The session with the outcome `kept` began here.
    *expected.get_mut("cookie.outcome.assigned").unwrap() += 1;
    let sent = expected.values().sum();
    assert_eq!(wait_until_counted(&envoy, sent).await, expected);
}

/// Starts an Envoy and sends a few requests to all its workers. Returns the Envoy when these requests are counted.
async fn used(options: &Options, config: &Value, requests: Vec<Headers>) -> Envoy {
    let envoy = options.start(config).await.unwrap();
    let count = u64::try_from(requests.len()).unwrap();
    fetch_each(Client::http1, &envoy.url(), requests).await;
    wait_until_counted(&envoy, count).await;
    envoy
}

#[tokio::test]
async fn one_line_in_the_log_tells_what_is_configured() {
    let pods = pods(3);
    let mut plugin = generated_cookie(&pods, &json!({}));
    plugin["name"] = json!("shop");
    let without = bootstrap(&pods).filter(&plugin).build();
    plugin["keys"] =
        json!([{ "id": "2026-01", "secret": SECRETS[0] }, { "id": "2025-12", "secret": SECRETS[1] }]);
    let with = bootstrap(&pods).filter(&plugin).build();
    let options = Envoy::options();
    let requests = vec![Vec::new(); 20];
    let (without, with) =
        tokio::join!(used(&options, &without, requests.clone()), used(&options, &with, requests));
    for (envoy, level, keys) in
        [(without, "[warning]", vec!["without keys"]), (with, "[info]", vec!["2026-01", "2025-12"])]
    {
        let log = envoy.log();
        let lines = own_lines(&log);
        let configured: Vec<_> = lines.iter().filter(|line| line.contains("configured")).collect();
        let [line] = configured.as_slice() else {
            panic!("not one line: {configured:#?}");
        };
        assert!(line.contains(level), "{line}");
        let version = concat!("version ", env!("CARGO_PKG_VERSION"), " configured");
        for part in [version, "shop", "GENERATED_COOKIE", "neg-demo-0", "neg-demo-1", "neg-demo-2"] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(keys.iter().all(|key| line.contains(key)), "{line}");
    }
}

#[tokio::test]
async fn a_request_is_logged_at_debug_at_most_and_a_secret_never() {
    let pods = pods(2);
    let mut plugin = generated_cookie(&pods, &json!({}));
    plugin["keys"] = json!([
        { "id": "a", "secret": SECRETS[0] },
        { "id": "b", "env": "IN_VM" },
        { "id": "c", "env": "IN_HOST" },
    ]);
    let config = bootstrap(&pods)
        .filter(&plugin)
        .env_key_values(&[("IN_VM", SECRETS[1])])
        .host_env_keys(&["IN_HOST"])
        .build();
    let options = Envoy::options().env("IN_HOST", SECRETS[2]);
    let options = options.argument("--component-log-level").argument("wasm:trace");
    let envoy = options.start(&config).await.unwrap();
    let first = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    wait_until_counted(&envoy, 1).await;
    let before = envoy.log().len();
    let mut requests = with_cookie(first.cookie_pair("GCLB").unwrap(), 20);
    requests.extend(with_cookie("GCLB=x", 20));
    requests.extend(vec![Vec::new(); 20]);
    fetch_each(Client::http1, &envoy.url(), requests).await;
    wait_until_counted(&envoy, 61).await;
    let log = envoy.stop().await.unwrap();
    let loud = |line: &&str| {
        ["[info]", "[warning]", "[error]", "[critical]"].iter().any(|level| line.contains(level))
    };
    let loud: Vec<_> = own_lines(&log[before..]).into_iter().filter(loud).collect();
    assert!(loud.is_empty(), "{loud:#?}");
    for secret in SECRETS {
        let decoded = ["SECRETONE", "SECRETTWO", "SECRETTHR"];
        assert!(
            !log.contains(secret) && !decoded.iter().any(|text| log.contains(text)),
            "a secret in the log"
        );
    }
}

#[tokio::test]
async fn a_route_without_cluster_header_is_warned_of_once_for_each_service() {
    let pods = pods(3);
    let service = |name: &str| {
        json!({
            "name": name,
            "routes": [name],
            "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "cookie": { "name": name } },
            "backends": names(&pods),
        })
    };
    let to_one_cluster = |name: &str| json!({ "name": name, "match": { "prefix": format!("/{name}") }, "route": { "cluster": "neg-demo-2" } });
    let config = bootstrap(&pods)
        .filter(&json!({ "services": [service("wrong"), service("amiss"), service("right")] }))
        .route(to_one_cluster("wrong"))
        .route(to_one_cluster("amiss"))
        .route(route("right"));
    let envoy = Envoy::start(&config.build()).await.unwrap();
    for path in ["wrong", "amiss", "right"] {
        fetch_each(Client::http1, &format!("{}/{path}", envoy.url()), vec![Vec::new(); 60]).await;
    }
    wait_until_counted(&envoy, 180).await;
    let log = envoy.log();
    let warnings: Vec<_> =
        own_lines(&log).into_iter().filter(|line| line.contains("cluster_header")).collect();
    for service in ["wrong", "amiss"] {
        let of_it: Vec<_> = warnings.iter().filter(|line| line.contains(service)).collect();
        let [line] = of_it.as_slice() else {
            panic!("not one line for {service}: {of_it:#?}");
        };
        assert!(line.contains("[warning]") && line.contains("neg-demo-2"), "{line}");
        assert!(line.contains("cluster_header: x-affinity-cluster"), "{line}");
    }
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
}
