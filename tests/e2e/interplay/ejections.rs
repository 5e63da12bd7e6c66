//! Limits on errors and on ejected backends, for realistic numbers of backends.

use harness::client::Client;
use harness::envoy::Envoy;
use harness::pod::Pod;
use harness::shipped::Shipped;
use serde_json::json;

use super::told;
use crate::availability::failover::{adapted, manager};
use crate::availability::fleet::{Fleet, session_on};

/// The shipped file with pods that respond as the request says.
async fn obedient_pods(retry_on: Option<&str>) -> (Vec<Pod>, Envoy) {
    let pods: Vec<_> = (0..4).map(|index| Pod::obedient(&format!("app-{index}")).unwrap()).collect();
    let shipped = pods.iter().fold(Shipped::new(), |shipped, pod| shipped.host(pod.name(), pod.address()));
    let mut bootstrap = adapted(&shipped, &json!({}));
    if let Some(retry_on) = retry_on {
        let routes = &mut manager(&mut bootstrap)["route_config"]["virtual_hosts"][0]["routes"];
        routes[0]["route"]["retry_policy"]["retry_on"] = json!(retry_on);
    }
    (pods, Envoy::start(&bootstrap).await.unwrap())
}

#[tokio::test]
async fn a_path_that_answers_503_everywhere_moves_no_session() {
    let (_pods, envoy) = obedient_pods(None).await;
    let cookie = session_on(&envoy, "app-1").await;
    let client = Client::http1();
    for _ in 0..4 {
        let headers = [("cookie", cookie.as_bytes()), ("x-answer-status", b"503")];
        let failed = client.fetch(&envoy.url(), &headers).await.unwrap();
        assert_eq!((told(&failed), failed.set_cookies.len()), ((503, "pinned".to_owned()), 0));
        assert_ne!(failed.pod, "app-1", "every backend was asked");
    }
    let stays = client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
    assert_eq!((told(&stays), &*stays.pod), ((200, "pinned".to_owned()), "app-1"));
}

/// These responses are not retried, so each response comes from the session's own backend.
#[tokio::test]
async fn five_gateway_errors_eject_a_backend_whose_cluster_falls_over_to_others() {
    let (_pods, envoy) = obedient_pods(Some("connect-failure")).await;
    let cookie = session_on(&envoy, "app-1").await;
    let client = Client::http1();
    let headers = [("cookie", cookie.as_bytes()), ("x-answer-status", b"503")];
    for error in 1..=5 {
        let failed = client.fetch(&envoy.url(), &headers).await.unwrap();
        assert_eq!((told(&failed), &*failed.pod), ((503, "pinned".to_owned()), "app-1"), "error {error}");
    }
    let moved = client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
    assert_eq!(told(&moved), (200, "repinned".to_owned()));
    assert_ne!(moved.pod, "app-1");
}

#[tokio::test]
async fn one_of_three_backends_is_ejected_where_30_percent_may_be() {
    let mut fleet = Fleet::start(3);
    let detection = json!({ "consecutiveLocalOriginFailure": 1, "maxEjectionPercent": 30 });
    let envoy = fleet.envoy(&json!({ "outlierDetection": detection })).await;
    let [first, second] = [session_on(&envoy, "app-0").await, session_on(&envoy, "app-1").await];
    let client = Client::http1();
    fleet.down(0);
    let failed = client.fetch_with_cookie(&envoy.url(), &first).await.unwrap();
    assert_eq!(told(&failed), (503, "pinned".to_owned()));
    let moved = client.fetch_with_cookie(&envoy.url(), &first).await.unwrap();
    assert_eq!(told(&moved), (200, "repinned".to_owned()));
    // A second ejection would exceed 30 %.
    fleet.down(1);
    for _ in 0..3 {
        let failed = client.fetch_with_cookie(&envoy.url(), &second).await.unwrap();
        assert_eq!(told(&failed), (503, "pinned".to_owned()));
    }
}

#[tokio::test]
async fn one_backend_is_ejected_even_where_one_percent_may_be() {
    let mut fleet = Fleet::start(2);
    let detection = json!({ "consecutiveLocalOriginFailure": 1, "maxEjectionPercent": 1 });
    let envoy = fleet.envoy(&json!({ "outlierDetection": detection })).await;
    let cookie = session_on(&envoy, "app-0").await;
    let client = Client::http1();
    fleet.down(0);
    let failed = client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
    assert_eq!(told(&failed), (503, "pinned".to_owned()));
    let moved = client.fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
    assert_eq!((told(&moved), &*moved.pod), ((200, "repinned".to_owned()), "app-1"));
}
