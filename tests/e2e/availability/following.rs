//! Requests that another backend may serve because of the cluster of the session's backend. They are sent one at a
//! time.

use std::net::SocketAddr;

use harness::client::{Client, Reply};
use harness::config::{self, Bootstrap};
use harness::envoy::Envoy;
use harness::pod::RefusingAddress;
use http::Method;
use serde_json::{Value, json};

use super::failover::{bootstrap, manager};
use super::fleet::{Fleet, SECOND, session_on, told};
use crate::ecds::eventually;
use crate::support::{fetch_each, outcome, with_cookie};
use crate::workers::{Workers, assert_no_vm_failed};

async fn send(envoy: &Envoy, method: Method, cookie: &str) -> Reply {
    let request = Client::http1_fresh().request(method, &envoy.url()).header("cookie", cookie);
    Reply::to(request.body("four")).await.unwrap()
}

#[tokio::test]
async fn the_request_that_meets_a_dead_backend_is_answered_and_takes_its_session_along() {
    let mut fleet = Fleet::start(4);
    let envoy = Envoy::start(&bootstrap(&fleet, &json!({}))).await.unwrap();
    for (index, method) in [Method::GET, Method::HEAD, Method::POST, Method::PUT].into_iter().enumerate() {
        let what = method.to_string();
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

/// Before any worker has ejected the backend, and on every worker.
#[tokio::test]
async fn requests_of_one_session_at_the_same_time_are_answered_by_the_same_other_backend() {
    let mut fleet = Fleet::start(4);
    let off = json!({ "outlierDetection": { "consecutiveLocalOriginFailure": 0 } });
    let envoy = Envoy::start(&bootstrap(&fleet, &off)).await.unwrap();
    let cookie = session_on(&envoy, "app-3").await;
    fleet.down(3);
    let replies = fetch_each(Client::http1_fresh, &envoy.url(), with_cookie(&cookie, 20)).await;
    assert_ne!(replies[0].pod, "app-3");
    for reply in &replies {
        assert_eq!((reply.status.as_u16(), &reply.pod), (200, &replies[0].pod));
    }
}

#[tokio::test]
async fn with_two_of_four_backends_dead_every_request_is_answered() {
    let mut fleet = Fleet::start(4);
    let envoy = Envoy::start(&bootstrap(&fleet, &json!({}))).await.unwrap();
    let sessions = fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 40]).await;
    fleet.down(0);
    fleet.down(2);
    let requests = sessions
        .iter()
        .map(|reply| vec![("cookie", reply.cookie_pair("GCLB").unwrap().as_bytes().to_vec())])
        .collect();
    let replies = fetch_each(Client::http1_fresh, &envoy.url(), requests).await;
    for (session, reply) in sessions.iter().zip(&replies) {
        assert_eq!(reply.status, 200, "{}", reply.pod);
        if ["app-1", "app-3"].contains(&session.pod.as_str()) {
            assert_eq!((&*outcome(reply), &reply.pod), ("pinned", &session.pod));
        } else {
            assert_eq!((&*outcome(reply), reply.set_cookies.len()), ("repinned", 1));
        }
    }
}

/// A cluster whose endpoint names its backend.
fn named(name: &str, says: &str, address: std::net::SocketAddr) -> Value {
    let mut cluster = config::cluster(name, &[address]);
    let endpoint = cluster.pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0").unwrap();
    endpoint["metadata"] = json!({ "filter_metadata": { "session_affinity": { "backend": says } } });
    cluster
}

/// The name of an unreachable endpoint does not count as a response.
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

/// A session follows its response to another backend and stays there, on every worker. A session does not follow to an
/// endpoint that is not a backend of the service.
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

/// Three sessions of a backend whose response takes longer than Envoy's timeout.
async fn three_slow_gets(fields: &Value) -> (Fleet, Envoy, String) {
    let fleet = Fleet::start(4);
    let mut bootstrap = bootstrap(&fleet, fields);
    let routes = &mut manager(&mut bootstrap)["route_config"]["virtual_hosts"][0]["routes"];
    routes[0]["route"]["retry_policy"]["per_try_timeout"] = json!("3s");
    let envoy = Envoy::start(&bootstrap).await.unwrap();
    let cookie = session_on(&envoy, "app-1").await;
    fleet.pod(1).freeze();
    for reply in fetch_each(Client::http1_fresh, &envoy.url(), with_cookie(&cookie, 3)).await {
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "repinned"));
        assert_ne!(reply.pod, "app-1");
    }
    fleet.pod(1).thaw();
    (fleet, envoy, cookie)
}

/// The route's retry policy defines what a failure is. Envoy does not say which failure occurred.
#[tokio::test]
async fn three_gets_that_envoy_gave_up_on_eject_a_backend() {
    for detection in [json!({}), json!({ "consecutiveGatewayErrors": 3 })] {
        let (_fleet, envoy, cookie) = three_slow_gets(&json!({ "outlierDetection": detection })).await;
        envoy.wait_for_log("app-1 ejected for 30 s", SECOND * 5).await.unwrap();
        let workers = Workers::of(&envoy).await;
        tokio::time::sleep(SECOND).await;
        for reply in workers.fetch("/", &[("cookie", cookie.as_bytes())]).await {
            assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "repinned"));
        }
    }
}

/// Two backends, `app-0` and `other`. An endpoint that names itself `app-0` serves the requests to `other`.
async fn answered_elsewhere(fleet: &Fleet, app_0: SocketAddr, fields: &Value) -> (Envoy, String) {
    let detection = json!({ "consecutiveLocalOriginFailure": 0, "consecutiveGatewayErrors": 1000 });
    let mut plugin = fleet.plugin(&json!({ "backends": ["app-0", "other"], "outlierDetection": detection }));
    for (name, value) in fields.as_object().unwrap() {
        plugin[name] = value.clone();
    }
    let bootstrap = Bootstrap::new().cluster_json(named("app-0", "app-0", app_0)).cluster_json(named(
        "other",
        "app-0",
        fleet.pod(1).address(),
    ));
    let envoy = Envoy::start(&bootstrap.filter(&plugin).build()).await.unwrap();
    let cookie = session_on(&envoy, "app-1").await;
    (envoy, cookie)
}

/// A session of `other` continues there, as if its endpoint named no backend.
async fn assert_stays(envoy: &Envoy, cookie: &str) {
    let workers = Workers::of(envoy).await;
    for _ in 0..10 {
        for reply in workers.fetch("/", &[("cookie", cookie.as_bytes())]).await {
            assert_eq!(told(&reply), (200, "pinned".to_owned(), "app-1"));
            assert!(reply.set_cookies.is_empty());
        }
    }
}

#[tokio::test]
async fn a_session_does_not_follow_to_a_backend_that_drains() {
    let fleet = Fleet::start(2);
    let backends = json!([{ "cluster": "app-0", "weight": 0 }, "other"]);
    let (envoy, cookie) =
        answered_elsewhere(&fleet, fleet.pod(0).address(), &json!({ "backends": backends })).await;
    assert_stays(&envoy, &cookie).await;
}

#[tokio::test]
async fn a_session_does_not_follow_to_a_backend_that_is_out() {
    let fleet = Fleet::start(2);
    let nobody = RefusingAddress::new().unwrap();
    let checks = json!({ "checkIntervalSec": 1, "unhealthyThreshold": 1 });
    let (envoy, _) = answered_elsewhere(&fleet, nobody.address(), &json!({ "healthCheck": checks })).await;
    envoy.wait_for_log("app-0 fails its health checks", SECOND * 20).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let cookie = session_on(&envoy, "app-1").await;
    assert_stays(&envoy, &cookie).await;
}

/// The request that detects the loss gets a response and moves its session. Later requests are refused.
#[tokio::test]
async fn with_reject_too_the_requests_that_meet_a_dead_backend_are_answered_and_only_later_ones_refused() {
    let mut fleet = Fleet::start(4);
    let reject = json!({
        "onUnavailable": "REJECT", "rejectStatus": 410,
        "outlierDetection": { "baseEjectionTimeSec": 10 },
    });
    let envoy = Envoy::start(&bootstrap(&fleet, &reject)).await.unwrap();
    let cookie = session_on(&envoy, "app-1").await;
    let kept = session_on(&envoy, "app-1").await;
    let other = session_on(&envoy, "app-2").await;
    fleet.down(1);
    let mut new = String::new();
    for _ in 0..3 {
        let moved = send(&envoy, Method::GET, &cookie).await;
        assert_eq!((moved.status.as_u16(), &*outcome(&moved)), (200, "repinned"));
        moved.cookie_pair("GCLB").expect("a new token").clone_into(&mut new);
    }
    envoy.wait_for_log("app-1 ejected for 10 s", SECOND * 5).await.unwrap();
    let workers = Workers::of(&envoy).await;
    tokio::time::sleep(SECOND).await;
    for reply in workers.fetch("/", &[("cookie", kept.as_bytes())]).await {
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (410, "rejected"));
        assert!(reply.set_cookies.is_empty());
    }
    assert_eq!(told(&send(&envoy, Method::GET, &other).await), (200, "pinned".to_owned(), "app-2"));
    assert_eq!(send(&envoy, Method::GET, &new).await.status, 200);
    fleet.up(1);
    let headers = [("cookie", kept.as_bytes())];
    let everywhere = async || workers.fetch("/", &headers).await.iter().all(|reply| reply.status == 200);
    eventually("its ejection ends on every worker", everywhere).await;
    let back = send(&envoy, Method::POST, &kept).await;
    assert_eq!(told(&back), (200, "pinned".to_owned(), "app-1"));
    assert_ne!(send(&envoy, Method::GET, &new).await.pod, "app-1", "what moved stays");
}
