//! `hideFromUpstream`: no backend behind the filter sees the cookie, with any service or without a service on the
//! route.

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::json;

use super::{route, route_to};
use crate::support::{bootstrap, pods};

#[tokio::test]
async fn a_hidden_cookie_reaches_no_backend_on_any_route() {
    let pods = pods(3);
    let plugin = json!({ "services": [
        {
            "name": "shop",
            "routes": ["shop"],
            "sessionAffinity": {
                "affinityType": "GENERATED_COOKIE", "cookie": { "name": "SHOP", "hideFromUpstream": true },
            },
            "backends": ["neg-demo-0"],
        },
        {
            "name": "blog",
            "routes": ["blog"],
            "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "cookie": { "name": "BLOG" } },
            "backends": ["neg-demo-1"],
        },
        { "name": "api", "routes": ["api"], "backends": ["neg-demo-1"] },
    ] });
    let config = bootstrap(&pods)
        .filter(&plugin)
        .route(route("shop", "/shop"))
        .route(route("blog", "/blog"))
        .route(route("api", "/api"))
        .route(route_to("neg-demo-2", "static", "/static"))
        .route(route_to("neg-demo-2", "", "/"));
    let envoy = Envoy::start(&config.build()).await.unwrap();
    let begun = Client::http1().fetch(&format!("{}/shop", envoy.url()), &[]).await.unwrap();
    let token = begun.cookie_pair("SHOP").unwrap();
    for cookie in [token, "SHOP=junk"] {
        for (path, pod) in [("/shop", 0), ("/blog", 1), ("/api", 1), ("/static", 2), ("/", 2)] {
            for client in [Client::http1(), Client::http2()] {
                let line = format!("a=1; {cookie}; BLOG=x; b=2");
                let reply = client.fetch_with_cookie(&format!("{}{path}", envoy.url()), &line).await.unwrap();
                assert_eq!((reply.status.as_u16(), &*reply.pod), (200, pods[pod].name()), "{path}");
                assert_eq!(pods[pod].last_request().header("cookie"), [b"a=1; BLOG=x; b=2"], "{path}");
            }
        }
    }
}
