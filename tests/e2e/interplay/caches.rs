//! Header fields for one kind of shared cache. For that cache they override `Cache-Control: private`.

use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use super::obedient_pods;
use crate::support::{envoy, outcome};

const TARGETED: [&str; 9] = [
    "CDN-Cache-Control",
    "Cloudflare-CDN-Cache-Control",
    "Netlify-CDN-Cache-Control",
    "Vercel-CDN-Cache-Control",
    "Any-Other-CDN-Cache-Control",
    "Akamai-Cache-Control",
    "Surrogate-Control",
    "Edge-Control",
    "X-Accel-Expires",
];

/// Fields that only have similar names.
const OTHERS: [&str; 3] = ["CDN-Cache-Control-Note", "X-Accel-Buffering", "Edge-Controls"];

/// The application's response with all of these fields, each twice.
async fn fetch(envoy: &Envoy, carrier: &str, token: Option<&str>) -> Reply {
    let names = TARGETED.iter().chain(&OTHERS);
    let lines: Vec<_> = names.map(|name| format!("{name}: max-age=600")).collect();
    let mut headers: Vec<_> =
        lines.iter().chain(&lines).map(|line| ("x-answer-header", line.as_bytes())).collect();
    headers.push(("x-answer-header", b"Cache-Control: public, max-age=600"));
    headers.extend(token.map(|token| (carrier, token.as_bytes())));
    Client::http1().fetch(&envoy.url(), &headers).await.unwrap()
}

async fn started(affinity: Value) -> ([Pod; 2], Envoy) {
    let pods = obedient_pods();
    let plugin =
        json!({ "sessionAffinity": affinity, "backends": ["app-0", "app-1"], "debugHeader": "x-debug" });
    let envoy = envoy(&pods, &plugin).await;
    (pods, envoy)
}

/// A response with a token loses these fields. A response without a token keeps them, because the client already has
/// its token.
async fn in_carrier(affinity: Value, carrier: &str, token: fn(&Reply) -> String) {
    let (_pods, envoy) = started(affinity).await;
    let begun = fetch(&envoy, carrier, None).await;
    assert_eq!(outcome(&begun), "assigned");
    let kept: Vec<_> = TARGETED.iter().filter(|name| begun.header(name).is_some()).collect();
    assert!(kept.is_empty(), "beside a token: {kept:?}");
    assert_eq!(begun.header("cache-control").unwrap(), "private, max-age=600");
    let known = fetch(&envoy, carrier, Some(&token(&begun))).await;
    assert_eq!(outcome(&known), "pinned");
    for name in TARGETED {
        assert_eq!(known.header(name).unwrap(), "max-age=600", "{name}, without a token");
    }
    for name in OTHERS {
        assert_eq!(begun.header(name).unwrap(), "max-age=600", "{name}");
    }
}

#[tokio::test]
async fn no_targeted_cache_field_goes_out_beside_a_cookie() {
    let affinity = json!({ "affinityType": "GENERATED_COOKIE" });
    in_carrier(affinity, "cookie", |reply| reply.cookie_pair("GCLB").unwrap().to_owned()).await;
}

#[tokio::test]
async fn no_targeted_cache_field_goes_out_beside_a_token_in_a_header() {
    let affinity = json!({ "affinityType": "GENERATED_HEADER", "header": { "name": "x-session" } });
    in_carrier(affinity, "x-session", |reply| reply.header("x-session").unwrap()).await;
}
