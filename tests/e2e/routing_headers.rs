//! Headers for Envoy that a client must not set.

use std::collections::BTreeSet;

use harness::client::Client;
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::{Pod, RawPod, Request};
use serde_json::{Value, json};

use crate::raw::exchange;
use crate::shipped_files::{self, File};
use crate::support::{bootstrap, names, pods};

/// The lines of one request except the first line and `host`.
type Lines = Vec<(String, String)>;

/// The ways to name a backend in a header, each as the lines of a request.
fn attempts(header: &str, backend: &str) -> Vec<Lines> {
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let named = line(header, backend);
    vec![
        vec![named.clone()],
        vec![named.clone(), named.clone()],
        vec![line(header, ""), named.clone(), line(header, "neg-demo-1"), named.clone(), named.clone()],
        vec![line(header, &format!("{backend},{backend}")), named.clone()],
        vec![line(header, &format!("  \t{backend}\t  "))],
        // Headers that `Connection` names are for one hop. The filter's header is not.
        vec![line("connection", &format!("{header}, close")), named.clone()],
        vec![line("cookie", &format!("{header}={backend}")), named],
    ]
}

/// Sends each attempt over HTTP/1.1, once unchanged and once in upper case, and over HTTP/2. Each request also has
/// `lines`. Returns the text of each response: status line and headers for HTTP/1.1, and the body in both cases.
async fn send_all(envoy: &Envoy, path: &str, lines: &[(&str, &str)], attempts: &[Lines]) -> Vec<String> {
    let http2 = Client::http2();
    let mut answers = Vec::new();
    for attempt in attempts {
        let all: Vec<(&str, &str)> =
            lines.iter().copied().chain(attempt.iter().map(|(name, value)| (&**name, &**value))).collect();
        for in_upper_case in [false, true] {
            let mut request = format!("GET {path} HTTP/1.1\r\nhost: app\r\n");
            for (name, value) in &all {
                let name = if in_upper_case { name.to_uppercase() } else { (*name).to_owned() };
                request.extend([&name, ": ", value, "\r\n"]);
            }
            if !all.iter().any(|(name, _)| *name == "connection") {
                request.push_str("connection: close\r\n");
            }
            request.push_str("\r\n");
            let answer = exchange(envoy, request.as_bytes()).await;
            answers.push(String::from_utf8_lossy(&answer).into_owned());
        }
        // HTTP/2 has neither `Connection` nor upper case.
        let headers: Vec<(&str, &[u8])> = all
            .iter()
            .filter(|(name, _)| *name != "connection")
            .map(|&(n, v)| (n, v.trim().as_bytes()))
            .collect();
        let reply = http2.fetch(&format!("{}{path}", envoy.url()), &headers).await.unwrap();
        answers.push(format!("HTTP/1.1 {}\r\n\r\n{}", reply.status, reply.pod));
    }
    answers
}

/// The pod that sent a response.
fn pod(answer: &str) -> &str {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.rsplit_once("\r\n").unwrap().1
}

/// A service and route for each affinity type, a route that no service serves, and a route to a fixed cluster. The
/// cluster `secret` is a backend of no service.
fn every_affinity(pods: &[Pod], secret: &Pod, header: Option<&str>) -> Bootstrap {
    let header_name = header.unwrap_or("x-affinity-cluster");
    let service = |name: &str, kind: &str| json!({ "name": name, "routes": [name], "sessionAffinity": { "affinityType": kind }, "backends": names(pods) });
    let mut plugin = json!({ "services": [
        service("none", "NONE"), service("client-ip", "CLIENT_IP"), service("cookie", "GENERATED_COOKIE"),
    ] });
    if let Some(header) = header {
        plugin["clusterHeader"] = json!(header);
    }
    let routes = ["none", "client-ip", "cookie", "unserved"].map(|name| {
        json!({ "name": name, "match": { "prefix": format!("/{name}") }, "route": { "cluster_header": header_name } })
    });
    let fixed =
        json!({ "name": "fixed", "match": { "prefix": "/fixed" }, "route": { "cluster": "neg-demo-0" } });
    let bootstrap = bootstrap(pods).cluster(secret.name(), &[secret.address()]).filter(&plugin);
    routes.into_iter().chain([fixed]).fold(bootstrap, Bootstrap::route)
}

async fn nobody_is_let_in(header: Option<&str>) {
    let pods = pods(3);
    let secret = Pod::start("secret").unwrap();
    let envoy = Envoy::start(&every_affinity(&pods, &secret, header).build()).await.unwrap();
    let header = header.unwrap_or("x-affinity-cluster");
    let at = |path: &str| format!("{}{path}", envoy.url());

    // Another cluster.
    let to_secret = attempts(header, "secret");
    for path in ["/none", "/client-ip", "/cookie"] {
        for answer in send_all(&envoy, path, &[], &to_secret).await {
            assert_ne!(pod(&answer), "secret");
        }
    }
    for answer in send_all(&envoy, "/unserved", &[], &to_secret).await {
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    for answer in send_all(&envoy, "/fixed", &[], &to_secret).await {
        assert_eq!(pod(&answer), "neg-demo-0");
    }
    assert!(secret.requests().is_empty(), "{:?}", secret.requests());
    let passed_on = pods[0].requests().into_iter().filter(|request| request.uri.path() == "/fixed");
    assert!(passed_on.map(|request| request.header(header)).all(|values| values.is_empty()));

    // A backend that the request must not reach.
    let session = Client::http1().fetch(&at("/cookie"), &[]).await.unwrap();
    let cookie = session.cookie_pair("GCLB").unwrap();
    let own = Client::http1().fetch(&at("/client-ip"), &[]).await.unwrap().pod;
    let mut met = [BTreeSet::new(), BTreeSet::new()];
    for name in ["neg-demo-0", "neg-demo-1", "neg-demo-2"] {
        let wanted = attempts(header, name);
        for answer in send_all(&envoy, "/cookie", &[("cookie", cookie)], &wanted).await {
            assert_eq!(pod(&answer), session.pod);
        }
        for answer in send_all(&envoy, "/client-ip", &[], &wanted).await {
            assert_eq!(pod(&answer), own);
        }
        for answer in send_all(&envoy, "/unserved", &[], &wanted).await {
            assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
        }
    }
    // Without a session: 63 requests that all name one backend also reach the other backends.
    let wanted = attempts(header, "neg-demo-0");
    for _ in 0..3 {
        for (path, met) in ["/none", "/cookie"].into_iter().zip(&mut met) {
            met.extend(
                send_all(&envoy, path, &[], &wanted).await.iter().map(|answer| pod(answer).to_owned()),
            );
        }
    }
    assert!(met.iter().all(|met| met.len() == 3), "{met:?}");
}

#[tokio::test]
async fn naming_a_cluster_gets_a_client_nowhere_with_any_affinity_or_none() {
    nobody_is_let_in(None).await;
}

#[tokio::test]
async fn naming_a_cluster_in_a_header_of_another_name_gets_a_client_nowhere_either() {
    nobody_is_let_in(Some("x-where-to")).await;
}

/// A shipped file whose first virtual host serves every host and has two more routes. Both switch the filter off. One
/// uses the header, the other a fixed cluster.
fn with_the_filter_off(file: &File) -> Value {
    let off = json!({ "session_affinity": {
        "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true,
    } });
    let mut bootstrap = file.bootstrap.clone();
    let manager = bootstrap
        .pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
        .expect("a connection manager");
    let filters = manager["http_filters"].as_array().unwrap();
    assert!(filters.iter().any(|filter| filter["name"] == "session_affinity"));
    let mut host = manager["route_config"]["virtual_hosts"][0].take();
    host["domains"] = json!(["*"]);
    for (path, route) in [
        ("/off/fixed", json!({ "cluster": file.clusters()[0] })),
        ("/off/header", json!({ "cluster_header": "x-affinity-cluster" })),
    ] {
        let route = json!({ "match": { "prefix": path }, "route": route, "typed_per_filter_config": off });
        host["routes"].as_array_mut().unwrap().insert(0, route);
    }
    manager["route_config"]["virtual_hosts"] = json!([host]);
    // Some files load their clusters from another file, which Envoy reads after the routes.
    manager["route_config"]["validate_clusters"] = json!(false);
    bootstrap
}

/// The requests that reached a pod, without health checks.
fn of_clients(file: &File) -> Vec<Request> {
    let requests = file.pods().flat_map(Pod::requests);
    let checks: [&[u8]; 2] = [b"Envoy/HC", b"session-affinity-health-check"];
    let is_check =
        |request: &Request| request.header("user-agent").iter().any(|agent| checks.contains(&&agent[..]));
    requests.filter(|request| !is_check(request)).collect()
}

#[tokio::test]
async fn in_shipped_files_the_headers_reach_neither_envoy_nor_a_pod_even_where_the_filter_is_off() {
    for name in shipped_files::names() {
        let file = File::load(&name);
        let envoy = file.start_as(&with_the_filter_off(&file)).await;
        for cluster in file.clusters() {
            for answer in send_all(&envoy, "/off/header", &[], &attempts("x-affinity-cluster", cluster)).await
            {
                assert!(!answer.starts_with("HTTP/1.1 2"), "{name}: {answer}");
            }
        }
        assert!(of_clients(&file).is_empty(), "{name}");

        for path in ["/off/fixed", "/"] {
            for header in ["x-affinity-cluster", "x-affinity-endpoint"] {
                for answer in send_all(&envoy, path, &[], &attempts(header, "neg-demo-0")).await {
                    pod(&answer);
                }
            }
        }
        let arrived = of_clients(&file);
        assert_eq!(arrived.len(), 4 * 21, "{name}");
        for request in arrived {
            assert!(request.header("x-affinity-cluster").is_empty(), "{name}: {request:?}");
            assert!(request.header("x-affinity-endpoint").is_empty(), "{name}: {request:?}");
        }
    }
}

#[tokio::test]
async fn in_shipped_files_the_headers_never_reach_the_client() {
    let app = RawPod::start(
        *b"HTTP/1.1 200 OK\r\nx-affinity-cluster: app\r\nX-Affinity-Endpoint: app\r\ncontent-length: 0\r\n\r\n",
    )
    .unwrap();
    for name in shipped_files::names() {
        let file = File::load_with(&name, |_| app.address());
        let envoy = file.start_as(&with_the_filter_off(&file)).await;
        for path in ["/", "/off/fixed"] {
            let reply = Client::http1().fetch(&format!("{}{path}", envoy.url()), &[]).await.unwrap();
            assert_eq!(reply.status, 200, "{name}{path}");
            for header in ["x-affinity-cluster", "x-affinity-endpoint"] {
                assert_eq!(reply.header(header), None, "{name}{path}");
            }
        }
    }
}
