//! The configurations of the migration guide on a real Envoy: each keeps a session on its first backend.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use harness::client::{Client, Reply};
use harness::config::{Bootstrap, cluster, stateful_session};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use super::{around, guide, whole_configurations};
use crate::plugin::SECRET;

/// The request header with which a test selects a service's route.
const ROUTE: &str = "x-test-route";
/// The cluster of services that only pin endpoints.
const PODS: &str = "pods";

/// Every different configuration of the guide, from blocks and tables.
fn configurations() -> Vec<Value> {
    let guide = guide();
    let blocks = whole_configurations(&guide);
    let parts = guide.parts.iter().filter_map(|part| around(part));
    let mut known = BTreeSet::new();
    blocks.into_iter().chain(parts).filter(|one| known.insert(one.to_string())).collect()
}

fn services(configuration: &Value) -> Vec<&Value> {
    match configuration["services"].as_array() {
        Some(services) => services.iter().collect(),
        None => vec![configuration],
    }
}

/// The names of a service's clusters.
fn backends(service: &Value) -> impl Iterator<Item = &str> {
    let backends = service["backends"].as_array().map_or(&[][..], Vec::as_slice);
    backends.iter().map(|backend| backend["cluster"].as_str().or(backend.as_str()).unwrap())
}

/// Any of a service's routes. The empty name is the route of all other requests.
fn route_of(service: &Value) -> &str {
    service["routes"][0].as_str().unwrap_or_default()
}

/// The listener of one configuration.
fn listener(configuration: &Value, index: usize) -> Value {
    let mut bootstrap =
        Bootstrap::new().filter(configuration).env_key_values(&[("SESSION_AFFINITY_KEY", SECRET)]);
    let mut services = services(configuration);
    services.sort_by_key(|service| service.get("routes").is_none());
    for service in services {
        let endpoints = service["pin"] == "ENDPOINT";
        let to = if endpoints {
            json!({ "cluster": PODS })
        } else {
            json!({ "cluster_header": "x-affinity-cluster" })
        };
        let name = route_of(service);
        let mut route = json!({ "name": name, "match": { "prefix": "/" }, "route": to });
        if !name.is_empty() {
            route["match"]["headers"] = json!([{ "name": ROUTE, "string_match": { "exact": name } }]);
        }
        if service["pin"].as_str().is_some_and(|pin| pin.contains("ENDPOINT")) {
            bootstrap = bootstrap.http_filter(stateful_session(service["onUnavailable"] == "REJECT"));
        }
        bootstrap = bootstrap.route(route);
    }
    let mut listener = bootstrap.build()["static_resources"]["listeners"][0].take();
    listener["name"] = json!(index.to_string());
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    // All plugins are in one VM; their names distinguish them.
    manager["http_filters"][0]["typed_config"]["config"]["name"] = json!(format!("plugin-{index}"));
    listener
}

/// A pod for each cluster in a configuration, and three pods for endpoint pins.
fn pods(configurations: &[Value]) -> BTreeMap<String, Vec<Pod>> {
    let names = configurations.iter().flat_map(services).flat_map(backends);
    let names: BTreeSet<&str> = names.collect();
    let one = |name: &str| (name.to_owned(), vec![Pod::obedient(name).unwrap()]);
    let mut pods: BTreeMap<_, _> = names.into_iter().map(one).collect();
    let several = (0..3).map(|index| Pod::obedient(&format!("pod-{index}")).unwrap()).collect();
    pods.insert(PODS.to_owned(), several);
    pods
}

/// The headers of a client's requests, from the second request on.
struct Session<'a> {
    affinity: &'a Value,
    reply: Option<Reply>,
}

impl Session<'_> {
    fn affinity_type(&self) -> &str {
        self.affinity["affinityType"].as_str().unwrap_or("NONE")
    }

    fn name(&self) -> &str {
        let affinity = self.affinity;
        let named = ["cookie", "header", "queryParameter"].map(|field| affinity[field]["name"].as_str());
        named.into_iter().flatten().next().unwrap_or("GCLB")
    }

    fn path(&self) -> String {
        let path = self.affinity["cookie"]["path"].as_str().unwrap_or("/");
        if self.affinity_type() == "QUERY_PARAMETER" {
            format!("/?{}=me", self.name())
        } else {
            path.to_owned()
        }
    }

    /// The session's header, with the value from the last response.
    fn headers(&self) -> Vec<(String, String)> {
        let name = self.name();
        let reply = self.reply.as_ref();
        let header = |value: String| vec![(name.to_owned(), value)];
        let cookie = |pair: &str| vec![("cookie".to_owned(), pair.to_owned())];
        match (self.affinity_type(), reply) {
            ("HTTP_COOKIE", _) => cookie(&format!("{name}=me")),
            ("HEADER_FIELD", _) => header("me".to_owned()),
            ("GENERATED_COOKIE" | "COOKIE_ENVELOPE", Some(reply)) => cookie(reply.cookie_pair(name).unwrap()),
            ("GENERATED_HEADER" | "HEADER_ENVELOPE", Some(reply)) => header(reply.header(name).unwrap()),
            ("COOKIE_ENVELOPE", None) => {
                vec![("x-answer-header".to_owned(), format!("set-cookie: {name}=mine"))]
            }
            ("HEADER_ENVELOPE", None) => vec![("x-answer-header".to_owned(), format!("{name}: mine"))],
            _ => Vec::new(),
        }
    }
}

async fn fetch(address: SocketAddr, route: &str, session: &Session<'_>) -> Reply {
    let mut headers = session.headers();
    headers.push((ROUTE.to_owned(), route.to_owned()));
    let headers: Vec<(&str, &[u8])> =
        headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
    Client::http1_fresh().fetch(&format!("http://{address}{}", session.path()), &headers).await.unwrap()
}

#[tokio::test]
async fn every_configuration_in_the_migration_guide_keeps_a_session_where_it_began() {
    let configurations = configurations();
    let pods = pods(&configurations);
    let mut bootstrap = Bootstrap::new().build();
    let addresses = |pods: &Vec<Pod>| pods.iter().map(Pod::address).collect::<Vec<_>>();
    let clusters = pods.iter().map(|(name, pods)| cluster(name, &addresses(pods)));
    bootstrap["static_resources"]["clusters"] = clusters.collect();
    let listeners = configurations.iter().enumerate().map(|(index, one)| listener(one, index));
    bootstrap["static_resources"]["listeners"] = listeners.collect();
    let envoy = Envoy::start(&bootstrap).await.unwrap();
    let mut kept = 0;
    for (index, configuration) in configurations.iter().enumerate() {
        let address = envoy.address(&index.to_string()).unwrap();
        for service in services(configuration) {
            let route = route_of(service);
            let mut session = Session { affinity: &service["sessionAffinity"], reply: None };
            let begun = fetch(address, route, &session).await;
            assert_eq!(begun.status, 200, "{configuration}: {begun:?}");
            let pod = begun.pod.clone();
            session.reply = Some(begun);
            if session.affinity_type() == "NONE" {
                continue;
            }
            for _ in 0..6 {
                assert_eq!(fetch(address, route, &session).await.pod, pod, "{configuration}");
            }
            kept += 1;
        }
    }
    assert!(kept >= 90, "{kept}");
}

#[tokio::test]
async fn a_client_that_once_asks_for_the_canary_stays_there_as_the_migration_guide_says() {
    let guide = guide();
    let find = |text: &str| guide.blocks.iter().find(|block| block.contains(text)).unwrap();
    let plugin: Value = serde_saphyr::from_str(find("name: CANARY")).unwrap();
    let routes: Value = serde_saphyr::from_str(find("canary-session\n  match")).unwrap();
    let pods = ["stable", "canary"].map(|name| Pod::start(name).unwrap());
    let mut bootstrap = Bootstrap::new().filter(&plugin);
    for pod in &pods {
        bootstrap = bootstrap.cluster(pod.name(), &[pod.address()]);
    }
    for route in routes["routes"].as_array().unwrap() {
        bootstrap = bootstrap.route(route.clone());
    }
    let envoy = Envoy::start(&bootstrap.build()).await.unwrap();
    let client = Client::http1_fresh();
    let forced = client.fetch(&envoy.url(), &[("x-canary", b"always")]).await.unwrap();
    assert_eq!(forced.pod, "canary");
    let cookies = format!("theme=dark; {}", forced.cookie_pair("CANARY").unwrap());
    for _ in 0..30 {
        let reply = client.fetch_with_cookie(&envoy.url(), &cookies).await.unwrap();
        assert_eq!((&*reply.pod, reply.set_cookies.len()), ("canary", 0));
    }
    let mut stable = 0;
    for _ in 0..100 {
        let anonymous = client.fetch(&envoy.url(), &[]).await.unwrap();
        let cookie = anonymous.cookie_pair("INGRESSCOOKIE").unwrap();
        assert_eq!(client.fetch_with_cookie(&envoy.url(), cookie).await.unwrap().pod, anonymous.pod);
        stable += usize::from(anonymous.pod == "stable");
    }
    // By weight, one of a hundred requests goes to the canary: ten of them by chance once in ten million runs.
    assert!(stable > 90, "{stable}");
}
