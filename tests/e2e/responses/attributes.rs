//! `sessionAffinity.cookie`: each setting as the browser receives it.

use std::collections::BTreeSet;

use harness::client::{Client, Reply};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use serde_json::{Value, json};

use crate::support::{bootstrap, generated_cookie, outcome, pods};

/// The attributes of the only cookie in the response: everything after its value. Their order does not matter.
fn attributes(reply: &Reply, name: &str) -> BTreeSet<String> {
    assert_eq!(reply.set_cookies.len(), 1, "{:?}", reply.set_cookies);
    let line = reply.set_cookie(name).unwrap_or_else(|| panic!("{name}: {:?}", reply.set_cookies));
    line.split("; ").skip(1).map(str::to_owned).collect()
}

/// `Path=/; Secure` as a set.
fn set(text: &str) -> BTreeSet<String> {
    text.split("; ").map(str::to_owned).collect()
}

#[tokio::test]
async fn each_setting_of_the_cookie_is_an_attribute_of_it() {
    // The settings, and the attributes over HTTP and over HTTPS.
    let cases = [
        (json!({ "name": "c0" }), "Path=/; HttpOnly; SameSite=Lax", "Path=/; Secure; HttpOnly; SameSite=Lax"),
        (
            json!({ "name": "c1", "secure": "AUTO", "httpOnly": true, "sameSite": "LAX", "partitioned": false }),
            "Path=/; HttpOnly; SameSite=Lax",
            "Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            json!({ "name": "c2", "path": "/2" }),
            "Path=/2; HttpOnly; SameSite=Lax",
            "Path=/2; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            json!({ "name": "c3", "domain": "shop.example.com" }),
            "Path=/; Domain=shop.example.com; HttpOnly; SameSite=Lax",
            "Path=/; Domain=shop.example.com; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            json!({ "name": "c4", "secure": "ALWAYS" }),
            "Path=/; Secure; HttpOnly; SameSite=Lax",
            "Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            json!({ "name": "c5", "secure": "NEVER" }),
            "Path=/; HttpOnly; SameSite=Lax",
            "Path=/; HttpOnly; SameSite=Lax",
        ),
        (json!({ "name": "c6", "httpOnly": false }), "Path=/; SameSite=Lax", "Path=/; Secure; SameSite=Lax"),
        (
            json!({ "name": "c7", "sameSite": "STRICT" }),
            "Path=/; HttpOnly; SameSite=Strict",
            "Path=/; Secure; HttpOnly; SameSite=Strict",
        ),
        (
            json!({ "name": "c8", "sameSite": "NONE", "secure": "ALWAYS" }),
            "Path=/; Secure; HttpOnly; SameSite=None",
            "Path=/; Secure; HttpOnly; SameSite=None",
        ),
        (json!({ "name": "c9", "sameSite": "UNSET" }), "Path=/; HttpOnly", "Path=/; Secure; HttpOnly"),
        (
            json!({ "name": "__Host-c10", "secure": "ALWAYS", "partitioned": true }),
            "Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned",
            "Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned",
        ),
        (
            json!({ "name": "!#$%&'*+-.^_`|~c11", "path": "/11", "domain": "a.example", "secure": "ALWAYS",
                "httpOnly": false, "sameSite": "NONE", "partitioned": true, "hideFromUpstream": true }),
            "Path=/11; Domain=a.example; Secure; SameSite=None; Partitioned",
            "Path=/11; Domain=a.example; Secure; SameSite=None; Partitioned",
        ),
    ];
    let pods = pods(2);
    let mut config = bootstrap(&pods);
    let mut services = Vec::new();
    for (index, (cookie, ..)) in cases.iter().enumerate() {
        services.push(json!({
            "name": format!("s{index}"),
            "routes": [format!("r{index}")],
            "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "cookie": cookie },
            "backends": ["neg-demo-0", "neg-demo-1"],
        }));
        config = config.route(json!({
            "name": format!("r{index}"),
            "match": { "prefix": format!("/{index}/") },
            "route": { "cluster_header": "x-affinity-cluster" },
        }));
    }
    let config = config.filter(&json!({ "debugHeader": "x-debug", "services": services }));
    let envoy = Envoy::start(&config.build()).await.unwrap();
    let client = Client::http1();
    for (index, (cookie, over_http, over_https)) in cases.iter().enumerate() {
        let url = format!("{}/{index}/x", envoy.url());
        let name = cookie["name"].as_str().unwrap();
        for (scheme, expected) in [("http", over_http), ("https", over_https)] {
            let headers = [("x-forwarded-proto", scheme.as_bytes())];
            let first = client.fetch(&url, &headers).await.unwrap();
            assert_eq!(attributes(&first, name), set(expected), "{cookie} over {scheme}");
            let again = client.fetch_with_cookie(&url, first.cookie_pair(name).unwrap()).await.unwrap();
            assert_eq!((&*outcome(&again), &again.pod), ("pinned", &first.pod), "{cookie}");
        }
    }
}

/// Envoy decides which requests are HTTPS, and which proxy to trust.
#[tokio::test]
async fn secure_auto_goes_by_the_scheme_as_envoy_sees_it() {
    let pods = pods(1);
    let plugin = generated_cookie(&pods, &json!({}));
    let start = async |edit: fn(&mut Value)| {
        let config: Bootstrap = bootstrap(&pods).filter(&plugin).hcm(edit);
        Envoy::start(&config.build()).await.unwrap()
    };
    let (trusting, edge, overwritten) = tokio::join!(
        start(|_| {}),
        start(|manager| manager["use_remote_address"] = json!(true)),
        start(|manager| manager["scheme_header_transformation"] = json!({ "scheme_to_overwrite": "https" })),
    );
    for (envoy, proto, secure, what) in [
        (&trusting, "http", false, "http, as the proxy in front says"),
        (&trusting, "https", true, "https, as the proxy in front says"),
        (&edge, "https", false, "a client on the edge may not say so"),
        (&overwritten, "http", true, "https, as the connection manager is told"),
    ] {
        let headers = [("x-forwarded-proto", proto.as_bytes())];
        let reply = Client::http1().fetch(&envoy.url(), &headers).await.unwrap();
        assert_eq!(attributes(&reply, "GCLB").contains("Secure"), secure, "{what}");
    }
}
