//! The files that promise to hide faults: envoy/failover.yaml and envoy/endpoints.yaml.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::client::{Client, Reply};
use harness::envoy::Envoy;

use crate::ecds::eventually;
use crate::shipped_files::File;
use crate::support::{fetch_each, with_cookie};

/// How long the clients wait for a response.
const PATIENCE: Duration = Duration::from_secs(10);

const FILES: [&str; 2] = ["failover.yaml", "endpoints.yaml"];

/// Begins sessions on every pod. Returns one pod and the cookies of all its sessions.
async fn sessions_on_one_pod(envoy: &Envoy) -> (String, Vec<String>) {
    let begun = fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 60]).await;
    let pods: BTreeSet<&str> = begun.iter().map(|reply| &*reply.pod).collect();
    assert_eq!(pods.len(), 4, "{pods:?}");
    let pod = begun[0].pod.clone();
    let of_pod = begun.iter().filter(|reply| reply.pod == pod);
    let cookies = of_pod.map(|reply| reply.cookie_pair("GCLB").unwrap().to_owned()).collect();
    (pod, cookies)
}

async fn patient_get(envoy: &Envoy, cookie: &str) -> Reply {
    let (client, url) = (Client::http1_fresh(), envoy.url());
    tokio::time::timeout(PATIENCE, client.fetch_with_cookie(&url, cookie))
        .await
        .expect("an answer within the client's patience")
        .unwrap()
}

#[tokio::test]
async fn a_get_that_waits_at_a_silent_process_is_answered_by_another_backend_within_ten_seconds() {
    for name in FILES {
        let file = File::load_obedient(name);
        let envoy = file.start().await;
        let (silent, cookies) = sessions_on_one_pod(&envoy).await;
        file.pods().find(|pod| pod.name() == silent).unwrap().freeze();
        let gets = futures_util::future::join_all(cookies.iter().map(|cookie| patient_get(&envoy, cookie)));
        for moved in gets.await {
            assert_eq!(moved.status, 200, "{name}");
            assert_ne!(moved.pod, silent, "{name}");
            let stays = patient_get(&envoy, moved.cookie_pair("GCLB").expect("a new token")).await;
            assert_eq!((stays.pod, stays.set_cookies.len()), (moved.pod, 0), "{name}");
        }
    }
}

/// With the endpoints file, every pod is equally slow: a second pod gets the request and responds later.
#[tokio::test]
async fn a_healthy_backend_that_takes_20_seconds_for_a_get_is_neither_cut_off_nor_left() {
    let of_file = async |name: &str, everyone: bool| {
        let file = File::load_obedient(name);
        let envoy = file.start().await;
        let (pod, cookies) = sessions_on_one_pod(&envoy).await;
        let mut headers = vec![("cookie", cookies[0].as_bytes()), ("x-answer-after-ms", b"20000")];
        if !everyone {
            headers.push(("x-answer-only", pod.as_bytes()));
        }
        let reply = Client::http1().fetch(&envoy.url(), &headers).await.unwrap();
        let told = (reply.status.as_u16(), &*reply.pod, reply.set_cookies.len());
        assert_eq!(told, (200, &*pod, 0), "{name}");
    };
    tokio::join!(
        of_file("failover.yaml", false),
        of_file("failover.yaml", true),
        of_file("endpoints.yaml", true)
    );
}

/// The pod's health checks still pass.
#[tokio::test]
async fn a_backend_that_answers_503_to_everything_is_left_and_the_gets_that_met_it_are_answered_by_others() {
    for name in FILES {
        let file = File::load_obedient(name);
        let envoy = file.start().await;
        let (failing, cookies) = sessions_on_one_pod(&envoy).await;
        let pod = file.pods().find(|pod| pod.name() == failing).unwrap();
        let headers = |cookie: &str| {
            let fields = [("cookie", cookie), ("x-answer-only", &failing), ("x-answer-status", "503")];
            fields.map(|(field, value)| (field, value.as_bytes().to_vec())).to_vec()
        };
        for cookie in cookies.iter().cycle().take(5) {
            let headers = headers(cookie);
            let headers: Vec<_> = headers.iter().map(|(field, value)| (*field, &value[..])).collect();
            let reply = Client::http1_fresh().fetch(&envoy.url(), &headers).await.unwrap();
            assert_eq!(reply.status, 200, "{name}");
            assert_ne!(reply.pod, failing, "{name}");
        }
        eventually("every worker has left it", async || {
            pod.clear_requests();
            let after = fetch_each(Client::http1_fresh, &envoy.url(), with_cookie(&cookies[0], 20)).await;
            after.iter().all(|reply| reply.status == 200 && reply.pod != failing)
        })
        .await;
        let asked = pod.requests().into_iter().filter(|request| !request.header("cookie").is_empty()).count();
        assert_eq!(asked, 0, "{name}: it is out");
    }
}

#[tokio::test]
async fn an_endpoint_session_does_not_move_with_an_answer_503() {
    let file = File::load_obedient("endpoints.yaml");
    let envoy = file.start().await;
    let (pod, cookies) = sessions_on_one_pod(&envoy).await;
    for _ in 0..3 {
        let headers = [("cookie", cookies[0].as_bytes()), ("x-answer-status", b"503")];
        let failed = Client::http1().fetch(&envoy.url(), &headers).await.unwrap();
        assert_eq!((failed.status.as_u16(), failed.set_cookies.len()), (503, 0));
    }
    assert_eq!(patient_get(&envoy, &cookies[0]).await.pod, pod);
}

/// Applications have a page at `/`, but few have a page at `/healthz`.
#[tokio::test]
async fn health_checks_of_shipped_files_ask_for_the_root() {
    for name in crate::shipped_files::names() {
        let file = File::load_obedient(&name);
        let _envoy = file.start().await;
        let agents: [&[u8]; 2] = [b"Envoy/HC", b"session-affinity-health-check"];
        for request in file.pods().flat_map(harness::pod::Pod::requests) {
            if request.header("user-agent").iter().any(|agent| agents.contains(&&agent[..])) {
                assert_eq!(request.uri.path(), "/", "{name}");
            }
        }
    }
}
