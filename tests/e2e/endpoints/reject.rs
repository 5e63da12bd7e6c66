//! `REJECT` if Envoy selects the endpoint: `strict: true` of `stateful_session`.

use harness::client::Client;
use harness::config::{Bootstrap, stateful_session};
use serde_json::{Value, json};

use super::fleet::{Fleet, endpoint, endpoints, pin_endpoint, route_with_retries};
use crate::support::{outcome, pods};

fn strict(bootstrap: Bootstrap) -> Bootstrap {
    let route = json!({ "name": "app", "match": { "prefix": "/" }, "route": { "cluster": "pods" } });
    bootstrap.http_filter(stateful_session(true)).route(route)
}

fn reject(status: &Value) -> Value {
    let mut plugin = pin_endpoint();
    plugin["onUnavailable"] = json!("REJECT");
    if !status.is_null() {
        plugin["rejectStatus"] = status.clone();
    }
    plugin
}

#[tokio::test]
async fn a_session_that_must_not_leave_its_pod_is_answered_with_the_status_asked_for_and_kept() {
    for (status, expected) in [(Value::Null, 503), (json!(410), 410)] {
        let mut pods = pods(2);
        let mut fleet = Fleet::start(&endpoints(&pods), &reject(&status), strict, |_| {}).await;
        let url = fleet.envoy.url();
        let sessions = fleet.begin(30).await;
        let (lost, other) = (sessions.on("neg-demo-0").clone(), sessions.on("neg-demo-1").clone());
        let client = Client::http1();
        let assert_rejected = async || {
            for _ in 0..4 {
                let reply = client.fetch_with_cookie(&url, &lost.cookie).await.unwrap();
                assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (expected, "rejected"));
                assert_eq!(reply.set_cookies, [""; 0]);
                let served = client.fetch_with_cookie(&url, &other.cookie).await.unwrap();
                assert_eq!((&served.pod, &*outcome(&served)), (&other.pod, "pinned"));
                let new = client.fetch(&url, &[]).await.unwrap();
                assert_eq!((new.pod.as_str(), &*outcome(&new)), ("neg-demo-1", "assigned"));
            }
        };
        let healthy = endpoints(&pods);
        for without in
            [vec![endpoint(pods[0].address(), "UNHEALTHY"), healthy[1].clone()], healthy[1..].to_vec()]
        {
            fleet.publish(&without).await;
            fleet.until_it_is_refused(&lost, expected).await;
            assert_rejected().await;
            fleet.publish(&healthy).await;
            fleet.until_it_returns(&lost).await;
        }
        // The pod refuses connections, but Envoy does not know it yet: new sessions may still be sent there.
        pods.remove(0).stop();
        for _ in 0..4 {
            let reply = client.fetch_with_cookie(&url, &lost.cookie).await.unwrap();
            assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (expected, "rejected"));
        }
        // Only clients with a session are rejected.
        fleet.publish(&healthy[..1]).await;
        fleet.until_it_is_refused(&other, expected).await;
        let new = client.fetch(&url, &[]).await.unwrap();
        assert_eq!((new.status.as_u16(), &*outcome(&new)), (503, "assigned"));
        let count = "wasmcustom.session_affinity.service.default.outcome.rejected";
        fleet.envoy.wait_for_stat(count, |count| count >= 12, crate::ecds::SOON).await.unwrap();
    }
}

/// Without `strict`, or with a retry policy, the filter cannot refuse the request: Envoy has already sent it to another
/// endpoint.
#[tokio::test]
async fn where_envoy_does_not_refuse_a_session_moves_in_spite_of_reject_and_one_warning_says_so() {
    for is_strict in [false, true] {
        let bootstrap = |bootstrap: Bootstrap| {
            bootstrap.http_filter(stateful_session(is_strict)).route(route_with_retries())
        };
        let mut pods = pods(4);
        let fleet = Fleet::start(&endpoints(&pods), &reject(&Value::Null), bootstrap, |_| {}).await;
        let mut sessions = fleet.begin(60).await;
        let warnings = || {
            let log = fleet.envoy.log();
            let lines =
                log.lines().filter(|line| line.contains("[warning][wasm]") && line.contains("strict"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(warnings(), [""; 0]);
        // A quarter of the sessions, but only one warning.
        pods.remove(0).stop();
        sessions.assert_only_those_move(&fleet.envoy.url(), "neg-demo-0").await;
        let warnings = warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("REJECT"), "{is_strict}: {warnings:?}");
    }
}
