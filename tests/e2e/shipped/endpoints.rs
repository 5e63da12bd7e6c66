//! envoy/endpoints.yaml and its endpoint file.

use std::collections::BTreeSet;

use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use serde_json::json;

use crate::ecds::{SOON, eventually};
use crate::shipped_files::File;
use crate::support::{fetch_each, with_cookie};

const ENDPOINTS: &str = "endpoints/app.yaml";

async fn fetch(envoy: &Envoy, cookie: &str) -> Reply {
    let reply = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
    assert_eq!(reply.status, 200);
    reply
}

fn cookie(reply: &Reply) -> String {
    reply.cookie_pair("GCLB").expect("the client is told").to_owned()
}

#[tokio::test]
async fn in_the_endpoints_file_sessions_stay_on_their_pods_until_those_drain_go_or_die() {
    let mut file = File::load("endpoints.yaml");
    let envoy = file.start().await;
    let sessions = fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 60]).await;
    let pods: BTreeSet<String> = sessions.iter().map(|reply| reply.pod.clone()).collect();
    assert_eq!(pods.len(), 4, "{pods:?}");
    let on = |pod: &str| cookie(sessions.iter().find(|reply| reply.pod == pod).unwrap());
    for pod in &pods {
        let replies = fetch_each(Client::http1, &envoy.url(), with_cookie(&on(pod), 10)).await;
        assert!(replies.iter().all(|reply| reply.pod == *pod && reply.set_cookies.is_empty()));
    }
    let moves = async |pod: &str| {
        let moved = fetch(&envoy, &on(pod)).await;
        assert_ne!(moved.pod, pod);
        let again = fetch(&envoy, &cookie(&moved)).await;
        assert_eq!((again.pod, again.set_cookies.len()), (moved.pod, 0));
    };

    // The steps of its comments: first DRAINING, which keeps the sessions, then removal from the list.
    let mut endpoints = file.companion(ENDPOINTS);
    let listed = &mut endpoints["resources"][0]["endpoints"][0]["lb_endpoints"];
    listed[0]["health_status"] = json!("DRAINING");
    file.replace(ENDPOINTS, &endpoints);
    envoy.wait_for_stat("cluster.app.membership_healthy", |healthy| healthy == 3, SOON).await.unwrap();
    let new = async || {
        let begun = fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 40]).await;
        begun.iter().all(|reply| reply.pod != "10.0.0.1")
    };
    eventually("a pod that drains gets no new sessions", new).await;
    for reply in fetch_each(Client::http1_fresh, &envoy.url(), with_cookie(&on("10.0.0.1"), 20)).await {
        assert_eq!((&*reply.pod, reply.set_cookies.len()), ("10.0.0.1", 0));
    }
    let listed = endpoints["resources"][0]["endpoints"][0]["lb_endpoints"].as_array_mut().unwrap();
    listed.remove(0);
    listed.remove(0);
    file.replace(ENDPOINTS, &endpoints);
    envoy.wait_for_stat("cluster.app.membership_total", |total| total == 2, SOON).await.unwrap();
    for gone in ["10.0.0.1", "10.0.0.2"] {
        eventually("a pod is gone", async || fetch(&envoy, &on(gone)).await.pod != gone).await;
        moves(gone).await;
    }

    // A pod dies: repeatable requests are retried on another pod.
    file.stop_pod("10.0.0.3");
    moves("10.0.0.3").await;
    assert_eq!(fetch(&envoy, &on("10.0.0.4")).await.pod, "10.0.0.4");
}
