//! deploy/kubernetes: Envoy in front of a Deployment. Envoy finds the pods in DNS.

use std::net::SocketAddr;
use std::time::Duration;

use harness::client::Client;
use harness::envoy::{Envoy, Options};
use harness::pod::Pod;
use harness::{config, module_path};
use serde_json::{Value, json};

use crate::manifests::{load, only};
use crate::safety::assert_safe;
use crate::sessions::{self, SECRET, begin, moves, stay};
use harness::dns::Dns;

/// A generous limit for Envoy's next DNS query. Envoy queries DNS every two seconds.
const SOON: Duration = Duration::from_secs(30);

const MEMBERS: &str = "cluster.neg-demo-svc.membership_total";

/// `envoy.yaml` in the `ConfigMap`.
fn configuration() -> String {
    let objects = load("kubernetes/ingress.yaml");
    only(&objects, "ConfigMap")["data"]["envoy.yaml"].as_str().unwrap().to_owned()
}

/// The same configuration for this machine: the module, the listen addresses, the DNS server and the port of the pods.
fn bootstrap(dns: &Dns, port: u16) -> Value {
    let text = configuration()
        .replace("/etc/session-affinity/plugin.wasm", module_path().unwrap().to_str().unwrap());
    let mut bootstrap: Value = serde_saphyr::from_str(&text).unwrap();
    let manager =
        &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    assert_safe(manager, &manager["route_config"]);
    let any = config::socket_address(SocketAddr::from(([127, 0, 0, 1], 0)));
    bootstrap["admin"]["address"] = any.clone();
    for listener in bootstrap["static_resources"]["listeners"].as_array_mut().unwrap() {
        listener["address"] = any.clone();
    }
    let cluster = &mut bootstrap["static_resources"]["clusters"][0];
    cluster["typed_dns_resolver_config"] = dns.resolver();
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        ["port_value"] = json!(port);
    bootstrap
}

/// The same configuration with sessions that outlast a slow test. The sessions of the example end after 50 seconds.
fn long_lived(mut bootstrap: Value) -> Value {
    let place = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/1/typed_config\
                 /config/configuration/value/services/0/sessionAffinity/affinityCookieTtlSec";
    *bootstrap.pointer_mut(place).unwrap() = json!(3600);
    bootstrap
}

fn options() -> Options {
    Envoy::options().env("SESSION_AFFINITY_KEY_k1", SECRET)
}

fn addresses(pods: &[Pod]) -> Vec<SocketAddr> {
    pods.iter().map(Pod::address).collect()
}

/// An Envoy in front of these pods.
async fn start(dns: &Dns, pods: &[Pod]) -> Envoy {
    start_with(&long_lived(bootstrap(dns, pods[0].address().port())), pods).await
}

async fn start_with(bootstrap: &Value, pods: &[Pod]) -> Envoy {
    let envoy = options().start(bootstrap).await.unwrap();
    wait_for(&envoy, pods.len()).await;
    envoy
}

async fn wait_for(envoy: &Envoy, pods: usize) {
    let pods = u64::try_from(pods).unwrap();
    envoy.wait_for_stat(MEMBERS, |total| total == pods, SOON).await.unwrap();
}

#[tokio::test]
async fn envoy_accepts_the_configuration_in_the_configmap_as_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("envoy.yaml");
    let module = module_path().unwrap();
    let text = configuration().replace("/etc/session-affinity/plugin.wasm", module.to_str().unwrap());
    std::fs::write(&file, text).unwrap();
    assert_eq!(options().validate_file(&file).await, Ok(()));
    let refused = Envoy::options().validate_file(&file).await.unwrap_err();
    assert!(refused.contains("config error at keys[0].env"), "{refused}");
}

#[tokio::test]
async fn sessions_stay_on_the_pods_of_a_headless_service_while_those_come_and_go() {
    let mut pods = sessions::pods(3);
    let dns = Dns::start(&addresses(&pods));
    let envoy = start(&dns, &pods).await;
    let began = begin(&envoy, 60, 3).await;
    stay(&envoy, &began).await;
    sessions::long_answers_pass(&envoy).await;
    sessions::headers_of_clients_count_for_nothing(&envoy, &pods).await;

    // kubectl scale --replicas 4
    pods.push(sessions::another(&pods));
    dns.set(&addresses(&pods));
    wait_for(&envoy, 4).await;
    stay(&envoy, &began).await;
    begin(&envoy, 100, 4).await;

    // A pod ends. DNS still contains its address at first, and then removes it.
    let gone = pods.remove(0);
    let (on_gone, others): (Vec<_>, Vec<_>) =
        began.into_iter().partition(|session| session.pod == gone.name());
    gone.stop();
    let (early, late) = on_gone.split_first().unwrap();
    moves(&envoy, early).await;
    dns.set(&addresses(&pods));
    wait_for(&envoy, 3).await;
    for session in late {
        moves(&envoy, session).await;
    }
    stay(&envoy, &others).await;
}

#[tokio::test]
async fn every_replica_of_envoy_serves_the_sessions_that_another_began() {
    let pods = sessions::pods(3);
    let dns = Dns::start(&addresses(&pods));
    let [first, second] = [start(&dns, &pods).await, start(&dns, &pods).await];
    let sessions = begin(&first, 60, 3).await;
    stay(&second, &sessions).await;
}

#[tokio::test]
async fn the_cookie_is_the_one_of_the_backendconfig() {
    let pods = sessions::pods(1);
    let dns = Dns::start(&addresses(&pods));
    let envoy = start_with(&bootstrap(&dns, pods[0].address().port()), &pods).await;
    let reply = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    let cookie = reply.set_cookie("GCLB").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=50"), "{cookie}");
}

#[tokio::test]
async fn an_envoy_that_is_to_end_is_no_longer_ready_and_still_serves() {
    let pods = sessions::pods(1);
    let dns = Dns::start(&addresses(&pods));
    let envoy = start(&dns, &pods).await;
    let ready = format!("http://{}/ready", envoy.address("ready").unwrap());
    let client = Client::http1_fresh();
    assert_eq!(client.fetch(&ready, &[]).await.unwrap().status, 200);
    // Does the same as preStop.
    envoy.admin_post("/healthcheck/fail").await.unwrap();
    assert_eq!(client.fetch(&ready, &[]).await.unwrap().status, 503);
    let reply = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("connection").as_deref(), Some("close"));
}
