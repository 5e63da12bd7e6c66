//! Several services in one filter: a route's name selects the service.

use std::time::Duration;

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::{Value, json};

use crate::support::{bootstrap, fetch_each, outcome, pods, with_cookie};

/// A route to the cluster that the filter selects. An empty name means no name.
fn route(name: &str, prefix: &str) -> Value {
    json!({
        "name": name,
        "match": { "prefix": prefix },
        "route": { "cluster_header": "x-affinity-cluster" },
    })
}

fn cookie_service(name: &str, routes: Option<Value>, cookie: &str, backends: &[&str]) -> Value {
    let mut service = json!({
        "name": name,
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "cookie": { "name": cookie } },
        "backends": backends,
    });
    if let Some(routes) = routes {
        service["routes"] = routes;
    }
    service
}

#[tokio::test]
async fn a_route_is_served_by_the_service_that_names_it_and_else_by_the_one_without_routes() {
    let pods = pods(5);
    let plugin = json!({ "debugHeader": "x-debug", "services": [
        cookie_service("shop", Some(json!(["cart", "checkout"])), "SHOP", &["neg-demo-0", "neg-demo-1"]),
        cookie_service("rest", None, "REST", &["neg-demo-2", "neg-demo-3"]),
        { "name": "api", "routes": ["api"], "backends": ["neg-demo-4"] },
    ] });
    let config = bootstrap(&pods)
        .filter(&plugin)
        .route(route("cart", "/cart"))
        .route(route("checkout", "/checkout"))
        .route(route("api", "/api"))
        .route(route("", "/unnamed"))
        .route(route("cart2", "/"))
        .build();
    let envoy = Envoy::start(&config).await.unwrap();
    let client = Client::http1();
    for (path, service, cookie, expected) in [
        ("/cart", "shop", Some("SHOP"), ["neg-demo-0", "neg-demo-1"]),
        ("/checkout", "shop", Some("SHOP"), ["neg-demo-0", "neg-demo-1"]),
        ("/unnamed", "rest", Some("REST"), ["neg-demo-2", "neg-demo-3"]),
        ("/other", "rest", Some("REST"), ["neg-demo-2", "neg-demo-3"]),
        ("/api", "api", None, ["neg-demo-4", "neg-demo-4"]),
    ] {
        let reply = client.fetch(&format!("{}{path}", envoy.url()), &[]).await.unwrap();
        let assigned = if cookie.is_some() { "assigned" } else { "none" };
        assert_eq!(reply.header("x-debug").unwrap(), format!("{assigned}; service={service}"), "{path}");
        assert!(expected.contains(&&*reply.pod), "{path}: {}", reply.pod);
        assert_eq!(reply.set_cookies.len(), usize::from(cookie.is_some()), "{path}");
        assert!(cookie.is_none_or(|name| reply.set_cookie(name).is_some()), "{path}");
    }
    // A session belongs to the service, not to the route.
    let cart = client.fetch(&format!("{}/cart", envoy.url()), &[]).await.unwrap();
    let cookie = cart.cookie_pair("SHOP").unwrap();
    let checkout = format!("{}/checkout", envoy.url());
    for reply in fetch_each(Client::http1, &checkout, with_cookie(cookie, 10)).await {
        assert_eq!((&*outcome(&reply), &reply.pod), ("pinned", &cart.pod));
    }
    let elsewhere = format!("{}/other", envoy.url());
    let reply = client.fetch_with_cookie(&elsewhere, cookie).await.unwrap();
    assert_eq!(reply.header("x-debug").unwrap(), "assigned; service=rest");
}

#[tokio::test]
async fn a_route_that_no_service_has_passes_untouched_and_uncounted() {
    let pods = pods(2);
    let plugin = json!({ "debugHeader": "x-debug", "services": [
        cookie_service("shop", Some(json!(["shop"])), "GCLB", &["neg-demo-0"]),
    ] });
    let plain = |name: &str, prefix: &str| json!({ "name": name, "match": { "prefix": prefix }, "route": { "cluster": "neg-demo-1" } });
    let config = bootstrap(&pods)
        .filter(&plugin)
        .route(route("shop", "/shop"))
        .route(plain("static", "/static"))
        .route(plain("", "/"))
        .build();
    let envoy = Envoy::start(&config).await.unwrap();
    // One connection means one worker: its counts arrive together.
    let client = Client::http1();
    for path in ["/static", "/"] {
        let url = format!("{}{path}", envoy.url());
        let reply = client.fetch_with_cookie(&url, "GCLB=x; a=1").await.unwrap();
        assert_eq!((reply.header("x-debug"), &*reply.pod), (None, "neg-demo-1"), "{path}");
        assert!(reply.set_cookies.is_empty(), "{path}");
        assert_eq!(pods[1].last_request().header("cookie"), [b"GCLB=x; a=1"], "{path}");
    }
    let served = client.fetch(&format!("{}/shop", envoy.url()), &[]).await.unwrap();
    assert_eq!(outcome(&served), "assigned");
    let assigned = "wasmcustom.session_affinity.service.shop.outcome.assigned";
    envoy.wait_for_stat(assigned, |count| count == 1, Duration::from_secs(10)).await.unwrap();
    let all = envoy.stats("wasmcustom.session_affinity.").await.unwrap();
    let counted: Vec<_> = all.iter().filter(|(_, count)| **count > 0).collect();
    let unserved = "wasmcustom.session_affinity.unserved";
    assert_eq!(counted, [(&assigned.to_owned(), &1), (&unserved.to_owned(), &2)]);
}
