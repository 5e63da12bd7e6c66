//! What the filter adds to responses, and what stays of the application's own headers.

mod attributes;
mod caching;

use harness::client::{Client, Reply};
use harness::config::cluster;
use harness::envoy::Envoy;
use harness::pod::{Pod, RefusingAddress};
use serde_json::{Value, json};

use crate::support::{bootstrap, envoy, generated_cookie, outcome};

/// A pod that responds as the request says, and an Envoy with generated cookies in front of it.
async fn obedient(session_affinity: &Value) -> (Vec<Pod>, Envoy) {
    let pods = vec![Pod::obedient("neg-demo-0").unwrap()];
    let envoy = envoy(&pods, &generated_cookie(&pods, session_affinity)).await;
    (pods, envoy)
}

/// Makes the pod respond with these headers.
async fn answered(envoy: &Envoy, cookie: &str, lines: &[&str]) -> Reply {
    let mut headers: Vec<_> = lines.iter().map(|line| ("x-answer-header", line.as_bytes())).collect();
    headers.push(("cookie", cookie.as_bytes()));
    Client::http1().fetch(&envoy.url(), &headers).await.unwrap()
}

#[tokio::test]
async fn a_session_begins_with_any_status_of_the_application() {
    let (_pods, envoy) = obedient(&json!({})).await;
    for client in [Client::http1(), Client::http2()] {
        for status in ["200", "204", "301", "304", "401", "404", "500", "502", "503", "504"] {
            let headers = [("x-answer-status", status.as_bytes())];
            let reply = client.fetch(&envoy.url(), &headers).await.unwrap();
            assert_eq!(reply.status.as_str(), status);
            assert_eq!((&*outcome(&reply), reply.set_cookies.len()), ("assigned", 1), "{status}");
        }
    }
}

#[tokio::test]
async fn a_reply_of_envoys_own_begins_no_session() {
    let refusing = RefusingAddress::new().unwrap();
    let direct = json!({
        "name": "direct",
        "match": { "path": "/direct" },
        "direct_response": { "status": 200, "body": { "inline_string": "envoy" } },
    });
    let redirect = json!({
        "name": "redirect",
        "match": { "path": "/redirect" },
        "redirect": { "path_redirect": "/elsewhere" },
    });
    let service = |name: &str, backend: &str| {
        json!({
            "name": name,
            "routes": [name],
            "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "cookie": { "name": name } },
            "backends": [backend],
        })
    };
    let route = |name: &str| {
        json!({
            "name": name,
            "match": { "path": format!("/{name}") },
            "route": { "cluster_header": "x-affinity-cluster" },
        })
    };
    let config = bootstrap(&[])
        .cluster("refusing", &[refusing.address()])
        .cluster_json(cluster("empty", &[]))
        .filter(&json!({ "debugHeader": "x-debug", "services": [
            service("direct", "refusing"),
            service("redirect", "refusing"),
            service("refusing", "refusing"),
            service("empty", "empty"),
            service("unknown", "no-such-cluster"),
        ] }))
        .route(direct)
        .route(redirect)
        .route(route("refusing"))
        .route(route("empty"))
        .route(route("unknown"))
        .build();
    let envoy = Envoy::start(&config).await.unwrap();
    for (name, status) in
        [("direct", 200), ("redirect", 301), ("refusing", 503), ("empty", 503), ("unknown", 503)]
    {
        let reply = Client::http1().fetch(&format!("{}/{name}", envoy.url()), &[]).await.unwrap();
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (status, "assigned"), "{name}");
        assert!(reply.set_cookies.is_empty(), "{name}: {:?}", reply.set_cookies);
        assert_eq!(reply.header("cache-control"), None, "{name}");
    }
}

#[tokio::test]
async fn the_application_keeps_its_own_cookies() {
    let (_pods, envoy) = obedient(&json!({})).await;
    let own = [
        "a=1; Path=/; Expires=Thu, 01 Jan 2026 00:00:00 GMT",
        "GCLBx=2",
        "xGCLB=3; HttpOnly",
        "gclb=4",
        "a=GCLB=5",
        "b=\"x, y\"",
    ];
    let lines: Vec<_> = own.iter().map(|cookie| format!("set-cookie: {cookie}")).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let reply = answered(&envoy, "a=1", &lines).await;
    assert_eq!(outcome(&reply), "assigned");
    assert_eq!(reply.set_cookies[..own.len()], own);
    assert_eq!(reply.set_cookies.len(), own.len() + 1);
    let ours = reply.cookie_pair("GCLB").unwrap();
    let reply = answered(&envoy, ours, &lines).await;
    assert_eq!((&*outcome(&reply), reply.set_cookies), ("pinned", own.map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn an_application_that_sets_a_cookie_of_our_name_has_the_last_word() {
    let (_pods, envoy) = obedient(&json!({})).await;
    for own in ["GCLB=; Max-Age=0; Path=/", "GCLB=x", "GCLB=", " GCLB = x ; Path=/"] {
        let lines = ["set-cookie: a=1", &format!("set-cookie: {own}"), "cache-control: public, max-age=9"];
        let reply = answered(&envoy, "GCLB=garbage", &lines).await;
        assert_eq!(outcome(&reply), "invalid");
        assert_eq!(reply.set_cookies, ["a=1", own.trim()]);
        assert_eq!(reply.header("cache-control").unwrap(), "public, max-age=9", "it carries no token");
    }
}

#[tokio::test]
async fn the_debug_header_tells_outcome_and_service() {
    let pods = vec![Pod::obedient("neg-demo-0").unwrap()];
    let mut plugin = generated_cookie(&pods, &json!({ "cookie": { "path": "/shop" } }));
    plugin["name"] = json!("my_Service-1");
    plugin["debugHeader"] = json!("X-Affinity-Debug");
    let debugged = envoy(&pods, &plugin).await;
    let url = format!("{}/shop", debugged.url());
    let client = Client::http1();
    let first = client.fetch(&url, &[]).await.unwrap();
    let ours = first.cookie_pair("GCLB").unwrap().to_owned();
    let own = ("x-answer-header", b"x-affinity-debug: mine".as_slice());
    for (url, cookie, outcome) in [
        (&url, "a=1", "assigned"),
        (&url, &ours, "pinned"),
        (&url, "GCLB=x", "invalid"),
        (&debugged.url(), "a=1", "none"),
    ] {
        let reply = client.fetch(url, &[own, ("cookie", cookie.as_bytes())]).await.unwrap();
        let values: Vec<_> = reply.headers.get_all("x-affinity-debug").iter().collect();
        assert_eq!(values, [&*format!("{outcome}; service=my_Service-1")]);
    }
    plugin.as_object_mut().unwrap().remove("debugHeader");
    let silent = envoy(&pods, &plugin).await;
    let reply = client.fetch(&format!("{}/shop", silent.url()), &[]).await.unwrap();
    let mentions = |value: &str| value.contains("assigned") || value.contains("service=");
    assert!(!reply.headers.values().any(|value| mentions(value.to_str().unwrap())), "{:?}", reply.headers);
}
