//! Routes that no service serves: the filter counts their requests and removes its own headers from them.

use harness::client::Client;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::json;

use super::{route, route_to};
use crate::ecds::SOON;
use crate::endpoints::fleet::keys;
use crate::support::{bootstrap, fetch_each, pods};

/// A served route, a route with a misspelt name, a route without a name, and a route that uses the header.
async fn started() -> (Vec<Pod>, Envoy) {
    let pods = pods(2);
    let cookie = |name: &str| json!({ "affinityType": "GENERATED_COOKIE", "cookie": { "name": name } });
    let plugin = json!({ "keys": keys(), "services": [
        { "name": "shop", "routes": ["shop"], "sessionAffinity": cookie("SHOP"), "backends": ["neg-demo-0"] },
        { "name": "pins", "routes": ["pins"], "sessionAffinity": cookie("PINS"), "pin": "ENDPOINT" },
    ] });
    let config = bootstrap(&pods)
        .filter(&plugin)
        .route(route("shop", "/shop"))
        .route(route("by-header", "/by-header"))
        .route(route_to("neg-demo-1", "shpo", "/misspelt"))
        .route(route_to("neg-demo-1", "", "/"));
    (pods, Envoy::start(&config.build()).await.unwrap())
}

#[tokio::test]
async fn requests_on_routes_that_no_service_serves_are_counted() {
    const UNSERVED: &str = "wasmcustom.session_affinity.unserved";
    let (_pods, envoy) = started().await;
    for (path, count) in [("/misspelt", 30), ("/", 20), ("/shop", 10), ("/by-header", 5)] {
        fetch_each(Client::http1, &format!("{}{path}", envoy.url()), vec![Vec::new(); count]).await;
    }
    envoy.wait_for_stat(UNSERVED, |count| count >= 55, SOON).await.unwrap();
    let served = "wasmcustom.session_affinity.service.shop.outcome.assigned";
    envoy.wait_for_stat(served, |count| count >= 10, SOON).await.unwrap();
    assert_eq!((envoy.stat(UNSERVED).await.unwrap(), envoy.stat(served).await.unwrap()), (55, 10));
}

#[tokio::test]
async fn a_request_that_no_service_serves_leaves_without_the_filters_headers() {
    let (pods, envoy) = started().await;
    let headers: [(&str, &[u8]); 2] =
        [("x-affinity-cluster", b"neg-demo-0"), ("x-affinity-endpoint", b"MTI3LjAuMC4xOjgw")];
    for client in [Client::http1(), Client::http2()] {
        for path in ["/misspelt", "/"] {
            let reply = client.fetch(&format!("{}{path}", envoy.url()), &headers).await.unwrap();
            assert_eq!((reply.status.as_u16(), &*reply.pod), (200, "neg-demo-1"));
            for (name, _) in headers {
                assert_eq!(pods[1].last_request().header(name), [b""; 0], "{path}: {name}");
            }
        }
        let reply = client.fetch(&format!("{}/by-header", envoy.url()), &headers).await.unwrap();
        assert!(!reply.status.is_success(), "a client chose its cluster: {}", reply.pod);
    }
    assert!(pods[0].requests().is_empty());
}
