//! Health checks of a busy backend: a probe that Envoy's own limits hold back shows nothing about the backend.

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::{Value, json};

use super::{Hanging, hashed, obedient_pods, over_http2, route, told, user_of, with_thresholds};
use crate::ecds::eventually;

fn checks() -> Value {
    hashed(&json!({
        "healthCheck": { "requestPath": "/healthz", "checkIntervalSec": 1, "unhealthyThreshold": 2 },
        "outlierDetection": { "consecutiveLocalOriginFailure": 0 },
    }))
}

/// The number of requests to `app-1` that Envoy's circuit breakers rejected.
async fn overflows(envoy: &Envoy) -> u64 {
    let stats = envoy.stats("cluster.app-1.upstream_rq_").await.unwrap();
    stats.iter().filter(|(name, _)| name.ends_with("_overflow")).map(|(_, count)| count).sum()
}

/// `app-1` accepts two requests at a time, and two long requests use both. Probes of `app-1` are not sent.
async fn overflow(edit: fn(&mut Value)) {
    let pods = obedient_pods();
    let mut hang = route("hang", "/hang");
    hang["route"]["timeout"] = json!("0s");
    let config = with_thresholds(&pods, &json!({ "max_requests": 2 }))
        .filter(&checks())
        .route(hang)
        .route(route("app", "/"))
        .edit(edit);
    let envoy = Envoy::start(&config.build()).await.unwrap();
    let client = Client::http2();
    let user = user_of(&client, &envoy, "app-1").await;
    let of_user = [("x-user", user.as_bytes())];
    let hanging = Hanging::start(&client, &envoy, &user, &pods[1], 2).await;
    let before = overflows(&envoy).await;
    eventually("five checks are not sent", async || overflows(&envoy).await > before + 4).await;
    let refused = client.fetch(&envoy.url(), &of_user).await.unwrap();
    assert_eq!(told(&refused), (503, "hashed".to_owned()));
    assert!(!envoy.log().contains("app-1 fails its health checks"));
    hanging.end(&envoy).await;
    let reply = client.fetch(&envoy.url(), &of_user).await.unwrap();
    assert_eq!((told(&reply), &*reply.pod), ((200, "hashed".to_owned()), "app-1"));
}

#[tokio::test]
async fn a_backend_whose_circuit_breakers_are_full_of_long_requests_stays_available() {
    overflow(|_| {}).await;
}

#[tokio::test]
async fn a_backend_whose_circuit_breakers_are_full_stays_available_over_http2() {
    overflow(over_http2).await;
}

/// All connections that a worker may open are in use, and further requests wait.
#[tokio::test]
async fn a_backend_whose_connections_are_all_taken_stays_available() {
    let pods = obedient_pods();
    let mut hang = route("hang", "/hang");
    hang["route"]["timeout"] = json!("0s");
    let config = with_thresholds(&pods, &json!({ "max_connections": 2 }))
        .filter(&checks())
        .route(hang)
        .route(route("app", "/"));
    let envoy = Envoy::start(&config.build()).await.unwrap();
    let client = Client::http2();
    let user = user_of(&client, &envoy, "app-1").await;
    let hanging = Hanging::start(&client, &envoy, &user, &pods[1], 2).await;
    // A probe of each backend is due every second. This many failed probes would make the backend unavailable.
    let probes = || pods[0].requests().iter().filter(|request| request.uri.path() == "/healthz").count();
    let before = probes();
    eventually("five more checks are due", async || probes() > before + 5).await;
    assert!(!envoy.log().contains("app-1 fails its health checks"));
    hanging.end(&envoy).await;
    let reply = client.fetch(&envoy.url(), &[("x-user", user.as_bytes())]).await.unwrap();
    assert_eq!((told(&reply), &*reply.pod), ((200, "hashed".to_owned()), "app-1"));
}
