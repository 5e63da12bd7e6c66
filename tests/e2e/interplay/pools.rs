//! Requests that time out before they get a connection: their backend never received them.

use harness::client::Client;
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use serde_json::{Value, json};

use super::{Hanging, hashed, obedient_pods, route, told, user_of, with_thresholds};
use crate::availability::fleet::{Fleet, session_on};

/// A route with this timeout.
fn route_with_timeout(name: &str, prefix: &str, timeout: &str) -> Value {
    let mut route = route(name, prefix);
    route["route"]["timeout"] = json!(timeout);
    route
}

/// Long requests hold all connections of a backend. Requests that wait in vain for a connection show nothing about its
/// health.
async fn waits_in_vain(timeout: &str, headers: &[(&str, &[u8])], edit: fn(&mut Value)) {
    let pods = obedient_pods();
    let bootstrap: Bootstrap = with_thresholds(&pods, &json!({ "max_connections": 2 }));
    let config = bootstrap
        .filter(&hashed(&json!({})))
        .route(route_with_timeout("hang", "/hang", "0s"))
        .route(route_with_timeout("app", "/", timeout))
        .hcm(edit);
    let envoy = Envoy::start(&config.build()).await.unwrap();
    // One connection means one worker. Another worker would have its own pool.
    let client = Client::http2();
    let user = user_of(&client, &envoy, "app-1").await;
    let of_user = [("x-user", user.as_bytes())];
    let hanging = Hanging::start(&client, &envoy, &user, &pods[1], 2).await;
    for _ in 0..5 {
        let waited = client.fetch(&envoy.url(), &[&of_user, headers].concat()).await.unwrap();
        assert_eq!(told(&waited), (504, "hashed".to_owned()));
    }
    hanging.end(&envoy).await;
    let reply = client.fetch(&envoy.url(), &of_user).await.unwrap();
    assert_eq!((told(&reply), &*reply.pod), ((200, "hashed".to_owned()), "app-1"));
    assert!(!envoy.log().contains("ejected"));
}

#[tokio::test]
async fn a_routes_timeout_in_the_queue_of_a_full_connection_pool_says_nothing_of_the_backend() {
    waits_in_vain("0.3s", &[], |_| {}).await;
}

#[tokio::test]
async fn an_internal_clients_own_timeout_of_two_milliseconds_says_nothing_of_the_backend() {
    waits_in_vain("15s", &[("x-envoy-upstream-rq-timeout-ms", b"2")], |manager| {
        manager["use_remote_address"] = json!(true);
        let loopback = json!({ "address_prefix": "127.0.0.0", "prefix_len": 8 });
        manager["internal_address_config"] = json!({ "cidr_ranges": [loopback] });
    })
    .await;
}

#[tokio::test]
async fn a_routes_timeout_shorter_than_the_connect_timeout_says_nothing_of_the_backend() {
    let mut fleet = Fleet::start(2);
    let config = fleet
        .bootstrap()
        .filter(&fleet.plugin(&json!({})))
        .route(route_with_timeout("app", "/", "0.3s"))
        .edit(|bootstrap| {
            for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().unwrap() {
                cluster["connect_timeout"] = json!("10s");
            }
        });
    let envoy = Envoy::start(&config.build()).await.unwrap();
    let cookie = session_on(&envoy, "app-1").await;
    let client = Client::http1();
    fleet.fall_silent(1).await;
    for _ in 0..5 {
        let waited = client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
        assert_eq!(told(&waited), (504, "pinned".to_owned()));
    }
    assert!(!envoy.log().contains("ejected"));
}
