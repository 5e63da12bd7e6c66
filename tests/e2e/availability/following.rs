//! Requests that a backend's cluster lets another backend answer, one at a time.

use harness::client::{Client, Reply};
use harness::config::{self, Bootstrap};
use harness::envoy::Envoy;
use harness::pod::RefusingAddress;
use http::Method;
use serde_json::{Value, json};

use super::failover::{bootstrap_of, files};
use super::fleet::{Fleet, SECOND, session_on};
use crate::support::{fetch_each, outcome, with_cookie};
use crate::workers::{Workers, assert_no_vm_failed};

async fn send(envoy: &Envoy, method: Method, cookie: &str) -> Reply {
    let request = Client::http1_fresh().request(method, &envoy.url()).header("cookie", cookie);
    Reply::to(request.body("four")).await.unwrap()
}

#[tokio::test]
async fn the_request_that_meets_a_dead_backend_is_answered_and_takes_its_session_along() {
    for file in files() {
        let mut fleet = Fleet::start(4);
        let envoy = Envoy::start(&bootstrap_of(file, &fleet, &json!({}))).await.unwrap();
        for (index, method) in [Method::GET, Method::HEAD, Method::POST, Method::PUT].into_iter().enumerate()
        {
            let what = format!("{file}: {method}");
            let dead = fleet.name(index).to_owned();
            let cookie = session_on(&envoy, &dead).await;
            fleet.down(index);
            let moved = send(&envoy, method, &cookie).await;
            assert_eq!((moved.status.as_u16(), &*outcome(&moved)), (200, "repinned"), "{what}");
            let new = moved.cookie_pair("GCLB").expect("a new token");
            let stays = send(&envoy, Method::GET, new).await;
            assert_eq!((stays.status.as_u16(), &*outcome(&stays)), (200, "pinned"), "{what}");
            assert_ne!(stays.pod, dead);
            assert!(stays.set_cookies.is_empty());
            fleet.up(index);
            assert_eq!(send(&envoy, Method::GET, new).await.pod, stays.pod);
        }
        assert_no_vm_failed(&envoy).await;
    }
}

/// Before anybody has ejected it, and on whichever worker.
#[tokio::test]
async fn requests_of_one_session_at_the_same_time_are_answered_by_the_same_other_backend() {
    for file in files() {
        let mut fleet = Fleet::start(4);
        let off = json!({ "outlierDetection": { "consecutiveLocalOriginFailure": 0 } });
        let envoy = Envoy::start(&bootstrap_of(file, &fleet, &off)).await.unwrap();
        let cookie = session_on(&envoy, "app-3").await;
        fleet.down(3);
        let replies = fetch_each(Client::http1_fresh, &envoy.url(), with_cookie(&cookie, 20)).await;
        assert_ne!(replies[0].pod, "app-3", "{file}");
        for reply in &replies {
            assert_eq!((reply.status.as_u16(), &reply.pod), (200, &replies[0].pod), "{file}");
        }
    }
}

#[tokio::test]
async fn with_two_of_four_backends_dead_every_request_is_answered() {
    for file in files() {
        let mut fleet = Fleet::start(4);
        let envoy = Envoy::start(&bootstrap_of(file, &fleet, &json!({}))).await.unwrap();
        let sessions = fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 40]).await;
        fleet.down(0);
        fleet.down(2);
        let requests = sessions
            .iter()
            .map(|reply| vec![("cookie", reply.cookie_pair("GCLB").unwrap().as_bytes().to_vec())])
            .collect();
        let replies = fetch_each(Client::http1_fresh, &envoy.url(), requests).await;
        for (session, reply) in sessions.iter().zip(&replies) {
            assert_eq!(reply.status, 200, "{file}: {}", reply.pod);
            if ["app-1", "app-3"].contains(&session.pod.as_str()) {
                assert_eq!((&*outcome(reply), &reply.pod), ("pinned", &session.pod), "{file}");
            } else {
                assert_eq!((&*outcome(reply), reply.set_cookies.len()), ("repinned", 1), "{file}");
            }
        }
    }
}

/// A cluster whose endpoint says which backend it is.
fn named(name: &str, says: &str, address: std::net::SocketAddr) -> Value {
    let mut cluster = config::cluster(name, &[address]);
    let endpoint = cluster.pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0").unwrap();
    endpoint["metadata"] = json!({ "filter_metadata": { "session_affinity": { "backend": says } } });
    cluster
}

/// The name of an endpoint that could not be reached is no answer.
#[tokio::test]
async fn a_backend_whose_endpoints_have_names_is_left_after_three_failures_where_nothing_is_retried() {
    let fleet = Fleet::start(2);
    let plugin = fleet.plugin(&json!({ "backends": ["app-0", "app-1", "dead"] }));
    let nobody = RefusingAddress::new().unwrap();
    let bootstrap = (0..2)
        .fold(Bootstrap::new(), |config, index| {
            config.cluster_json(named(fleet.name(index), fleet.name(index), fleet.pod(index).address()))
        })
        .cluster_json(named("dead", "dead", nobody.address()));
    let envoy = Envoy::start(&bootstrap.filter(&plugin).build()).await.unwrap();
    let client = Client::http1();
    let mut failures = 0;
    for _ in 0..60 {
        failures += u32::from(client.fetch(&envoy.url(), &[]).await.unwrap().status != 200);
    }
    assert_eq!(failures, 3);
}

/// A session that follows its answer to a backend stays there, on every worker, and does not follow to what is no
/// backend of the service.
#[tokio::test]
async fn a_session_follows_to_backends_of_its_service_only() {
    let fleet = Fleet::start(2);
    let off = json!({ "consecutiveLocalOriginFailure": 0 });
    let plugin = fleet.plugin(&json!({ "backends": ["app-0", "other", "foreign"], "outlierDetection": off }));
    let bootstrap = Bootstrap::new()
        .cluster_json(named("app-0", "app-0", fleet.pod(0).address()))
        .cluster_json(named("other", "app-0", fleet.pod(0).address()))
        .cluster_json(named("foreign", "nobody", fleet.pod(1).address()));
    let envoy = Envoy::start(&bootstrap.filter(&plugin).build()).await.unwrap();
    let workers = Workers::of(&envoy).await;
    for _ in 0..20 {
        let begun = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
        let cookie = begun.cookie_pair("GCLB").unwrap();
        for reply in workers.fetch("/", &[("cookie", cookie.as_bytes())]).await {
            assert_eq!((&*outcome(&reply), &reply.pod), ("pinned", &begun.pod));
            assert!(reply.set_cookies.is_empty());
        }
    }
    envoy
        .wait_for_stat(
            "wasmcustom.session_affinity.service.default.outcome.repinned",
            |count| count == 0,
            SECOND,
        )
        .await
        .unwrap();
}
