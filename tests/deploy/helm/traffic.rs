//! A rendering with traffic: two versions of an application. Envoy finds their pods in DNS.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use harness::client::{Client, websocket};
use harness::config;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use super::rendering::{Rendering, options};
use super::table::{canary, shop};
use crate::manifests::list;
use crate::safety::assert_safe;
use crate::sessions::{self, begin, moves, stay};
use harness::dns::Dns;

/// Moves the admin interface and every listener to ports that the system chooses.
pub fn at_any_port(bootstrap: &mut Value) {
    let any = config::socket_address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    bootstrap["admin"]["address"] = any.clone();
    for listener in bootstrap["static_resources"]["listeners"].as_array_mut().unwrap() {
        listener["address"] = any.clone();
    }
}

/// The rendering for this machine, with a local DNS server, and the port of the pods in every cluster that uses DNS.
fn bootstrap(rendering: &Rendering, dns: &Dns, port: u16) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let files = rendering.envoy_files(directory.path());
    let mut bootstrap: Value = serde_saphyr::from_str(&fs::read_to_string(&files[0]).unwrap()).unwrap();
    let manager =
        &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    assert_safe(manager, &manager["route_config"]);
    at_any_port(&mut bootstrap);
    for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().unwrap() {
        if cluster["type"] == "STRICT_DNS" {
            cluster["typed_dns_resolver_config"] = dns.resolver();
            let endpoint = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
            endpoint["address"]["socket_address"]["port_value"] = json!(port);
        }
    }
    bootstrap
}

fn addresses(pods: &[Pod]) -> Vec<SocketAddr> {
    pods.iter().map(Pod::address).collect()
}

async fn start(bootstrap: &Value, members: &[(&str, u64)]) -> Envoy {
    let envoy = options().start(bootstrap).await.unwrap();
    for (cluster, pods) in members {
        let stat = format!("cluster.{cluster}.membership_total");
        let soon = std::time::Duration::from_secs(30);
        envoy.wait_for_stat(&stat, |total| total == *pods, soon).await.unwrap();
    }
    envoy
}

#[tokio::test]
async fn a_session_keeps_its_version_and_its_pod_and_moves_within_the_version_when_the_pod_goes() {
    let mut values = canary(&json!({ "pin": "CLUSTER_AND_ENDPOINT" }));
    values["services"][0]["affinity"]["backends"] = json!(["stable", "canary"]);
    let rendering = Rendering::new("two versions", values);
    let mut pods = sessions::pods(4);
    let dns = Dns::start(&[]);
    dns.set_name("stable", &addresses(&pods[..2]));
    dns.set_name("canary", &addresses(&pods[2..]));
    let bootstrap = bootstrap(&rendering, &dns, pods[0].address().port());
    let envoy = start(&bootstrap, &[("stable", 2), ("canary", 2)]).await;
    // 60 sessions miss one of four pods once in eight million runs.
    let began = begin(&envoy, 60, 4).await;
    stay(&envoy, &began).await;
    sessions::long_answers_pass(&envoy).await;
    sessions::headers_of_clients_count_for_nothing(&envoy, &pods).await;

    // A second Envoy of the Deployment serves the same sessions.
    let second = start(&bootstrap, &[("stable", 2), ("canary", 2)]).await;
    stay(&second, &began).await;

    let gone = pods.remove(0);
    let stays = pods[0].name().to_owned();
    let (on_gone, others): (Vec<_>, Vec<_>) =
        began.into_iter().partition(|session| session.pod == gone.name());
    gone.stop();
    for session in &on_gone {
        assert_eq!(moves(&envoy, session).await.pod, stays);
    }
    stay(&envoy, &others).await;
}

#[tokio::test]
async fn the_stats_port_gives_the_metrics_and_nothing_else_of_the_admin_interface() {
    let rendering = Rendering::new("stats", shop(&json!({})));
    let pods = sessions::pods(1);
    let dns = Dns::start(&addresses(&pods));
    let mut bootstrap = bootstrap(&rendering, &dns, pods[0].address().port());
    // The test must know the port of Envoy's admin interface before Envoy starts.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    bootstrap["admin"]["address"] = config::socket_address(free);
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().unwrap();
    let admin = clusters.iter_mut().find(|cluster| cluster["name"] == "admin").unwrap();
    admin["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] =
        config::socket_address(free);
    let envoy = start(&bootstrap, &[("shop", 1)]).await;
    begin(&envoy, 1, 1).await;

    let stats = format!("http://{}", envoy.address("stats").unwrap());
    let client = Client::http1();
    let counted = r#"session_affinity_outcome{service="shop",outcome="assigned"} 1"#;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let reply = client.fetch(&format!("{stats}/stats/prometheus"), &[]).await.unwrap();
        assert_eq!(reply.status, 200);
        if reply.pod.contains(counted) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{}", reply.pod);
    }
    for path in ["/", "/stats", "/config_dump", "/stats/prometheus/", "/quitquitquit"] {
        let reply = client.fetch(&format!("{stats}{path}"), &[]).await.unwrap();
        assert_eq!(reply.status, 404, "{path}");
    }
    let post = client.request(http::Method::POST, &format!("{stats}/stats/prometheus"));
    assert_eq!(harness::client::Reply::to(post).await.unwrap().status, 404);
}

#[tokio::test]
async fn a_route_without_websockets_refuses_them_and_one_with_them_lets_them_pass() {
    let route = |name: &str, host: &str, websocket: bool| json!({ "name": name, "service": "shop", "hosts": [host], "websocket": websocket });
    let routes = json!([route("chat", "chat.test", true), route("shop", "shop.test", false)]);
    let rendering = Rendering::new("websockets", shop(&json!({ "routes": routes })));
    let pod = Pod::start("shop-0").unwrap();
    let dns = Dns::start(&[pod.address()]);
    let envoy = start(&bootstrap(&rendering, &dns, pod.address().port()), &[("shop", 1)]).await;
    let url = format!("{}/ws", envoy.url());
    let (headers, _socket) = websocket(&url, &[("host", b"chat.test")]).await.unwrap();
    assert!(headers.contains_key("set-cookie"), "{headers:?}");
    let refused = websocket(&url, &[("host", b"shop.test")]).await.unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
}

#[tokio::test]
async fn pre_stop_makes_envoy_unready_while_it_still_serves() {
    let rendering = Rendering::new("preStop", shop(&json!({ "drainSeconds": 0 })));
    let pods = sessions::pods(1);
    let dns = Dns::start(&addresses(&pods));
    let envoy = start(&bootstrap(&rendering, &dns, pods[0].address().port()), &[("shop", 1)]).await;
    let ready = format!("http://{}/ready", envoy.address("ready").unwrap());
    let client = Client::http1_fresh();
    assert_eq!(client.fetch(&ready, &[]).await.unwrap().status, 200);

    let deployment = rendering.object("Deployment/shop-ing");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let command: Vec<String> = list(&container["lifecycle"]["preStop"]["exec"]["command"])
        .map(|word| word.as_str().unwrap().replace("/9901", &format!("/{}", envoy.admin_address().port())))
        .collect();
    let status = Command::new(&command[0]).args(&command[1..]).status().unwrap();
    assert!(status.success());

    let soon = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while client.fetch(&ready, &[]).await.unwrap().status != 503 {
        assert!(std::time::Instant::now() < soon, "Envoy is still ready");
    }
    let reply = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.header("connection").as_deref()), (200, Some("close")));
}
