//! Passive health checks from the results of requests: `outlierDetection`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use harness::client::{Client, Reply};
use harness::config::{self, Bootstrap};
use harness::envoy::Envoy;
use harness::pod::{Pod, RefusingAddress};
use serde_json::json;

use super::fleet::{Fleet, SECOND, session_on, told};
use crate::support::outcome;
use crate::workers::{Workers, assert_no_vm_failed};

async fn fetch(client: &Client, envoy: &Envoy, cookie: &str) -> Reply {
    client.fetch_with_cookie(&envoy.url(), cookie).await.unwrap()
}

#[tokio::test]
async fn after_three_refused_requests_a_session_moves_for_good() {
    let mut fleet = Fleet::start(4);
    let envoy = fleet.envoy(&json!({})).await;
    let cookie = session_on(&envoy, "app-1").await;
    let client = Client::http1();
    fleet.down(1);
    for _ in 0..3 {
        let reply = fetch(&client, &envoy, &cookie).await;
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (503, "pinned"));
        assert!(reply.pod.starts_with("upstream connect error"), "Envoy's own words: {}", reply.pod);
        assert!(reply.set_cookies.is_empty());
    }
    let moved = fetch(&client, &envoy, &cookie).await;
    assert_eq!((moved.status.as_u16(), &*outcome(&moved)), (200, "repinned"));
    let new = moved.cookie_pair("GCLB").expect("a new token").to_owned();
    let stays = async || {
        let reply = fetch(&client, &envoy, &new).await;
        assert_eq!(told(&reply), (200, "pinned".to_owned(), &*moved.pod));
        assert!(reply.set_cookies.is_empty());
    };
    stays().await;
    fleet.up(1);
    stays().await;
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test]
async fn two_refused_requests_and_an_answer_are_forgotten() {
    let mut fleet = Fleet::start(2);
    let envoy = fleet.envoy(&json!({})).await;
    let cookie = session_on(&envoy, "app-1").await;
    let client = Client::http1();
    for _ in 0..3 {
        fleet.down(1);
        for _ in 0..2 {
            assert_eq!(fetch(&client, &envoy, &cookie).await.status, 503);
        }
        fleet.up(1);
        let reply = fetch(&client, &envoy, &cookie).await;
        assert_eq!(told(&reply), (200, "pinned".to_owned(), "app-1"));
    }
}

#[tokio::test]
async fn what_one_worker_learns_the_other_acts_on_within_a_second() {
    let mut fleet = Fleet::start(4);
    let envoy = fleet.envoy(&json!({})).await;
    let cookie = session_on(&envoy, "app-2").await;
    let workers = Workers::of(&envoy).await;
    fleet.down(2);
    let headers = [("cookie", cookie.as_bytes())];
    for _ in 0..3 {
        assert_eq!(workers.fetch_from(0, "/", &headers).await.status, 503);
    }
    tokio::time::sleep(SECOND).await;
    for reply in workers.fetch("/", &headers).await {
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "repinned"));
    }
}

/// Three failures. No worker sees more than two of them.
#[tokio::test]
async fn failures_that_different_workers_meet_add_up() {
    let mut fleet = Fleet::start(4);
    let envoy = fleet.envoy(&json!({})).await;
    let cookie = session_on(&envoy, "app-2").await;
    let workers = Workers::of(&envoy).await;
    fleet.down(2);
    let headers = [("cookie", cookie.as_bytes())];
    for worker in [0, 1, 0] {
        assert_eq!(workers.fetch_from(worker, "/", &headers).await.status, 503);
    }
    assert_eq!(workers.fetch_from(0, "/", &headers).await.status, 200);
}

/// Two pods that respond as the requests say, behind a route with a timeout of 300 ms.
async fn obedient(outlier_detection: serde_json::Value) -> ([Pod; 2], Envoy, String) {
    let pods = ["app-0", "app-1"].map(|name| Pod::obedient(name).unwrap());
    let bootstrap =
        pods.iter().fold(Bootstrap::new(), |config, pod| config.cluster(pod.name(), &[pod.address()]));
    let mut route = config::default_route();
    route["route"]["timeout"] = json!("0.3s");
    let plugin = json!({
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE" },
        "backends": ["app-0", "app-1"],
        "outlierDetection": outlier_detection,
        "debugHeader": "x-debug",
    });
    let envoy = Envoy::start(&bootstrap.route(route).filter(&plugin).build()).await.unwrap();
    let cookie = session_on(&envoy, "app-1").await;
    (pods, envoy, cookie)
}

/// Makes the application respond to the session like this.
async fn status(client: &Client, envoy: &Envoy, cookie: &str, status: &str) -> Reply {
    let headers = [("cookie", cookie.as_bytes()), ("x-answer-status", status.as_bytes())];
    client.fetch(&envoy.url(), &headers).await.unwrap()
}

#[tokio::test]
async fn neither_an_applications_own_errors_nor_its_timeouts_eject_it() {
    let (pods, envoy, cookie) = obedient(json!({})).await;
    let client = Client::http1();
    for error in ["500", "502", "503", "504"].repeat(5) {
        let reply = status(&client, &envoy, &cookie, error).await;
        assert_eq!(told(&reply), (error.parse().unwrap(), "pinned".to_owned(), "app-1"));
    }
    pods[1].freeze();
    for _ in 0..4 {
        let reply = fetch(&client, &envoy, &cookie).await;
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (504, "pinned"));
    }
    pods[1].thaw();
    assert_eq!(told(&fetch(&client, &envoy, &cookie).await), (200, "pinned".to_owned(), "app-1"));
    assert!(!envoy.log().contains("ejected"));
}

#[tokio::test]
async fn gateway_errors_and_timeouts_eject_a_backend_where_that_is_asked_for() {
    let asked = json!({ "consecutiveGatewayErrors": 3, "consecutiveLocalOriginFailure": 0 });
    let (pods, envoy, cookie) = obedient(asked).await;
    let client = Client::http1();
    for error in ["500", "502", "504", "500", "503", "502"] {
        assert_eq!(
            outcome(&status(&client, &envoy, &cookie, error).await),
            "pinned",
            "an answer ends the row"
        );
    }
    assert_eq!(outcome(&status(&client, &envoy, &cookie, "503").await), "pinned", "the third");
    let moved = fetch(&client, &envoy, &cookie).await;
    assert_eq!(told(&moved), (200, "repinned".to_owned(), "app-0"));

    let cookie = moved.cookie_pair("GCLB").unwrap();
    pods[0].freeze();
    for _ in 0..3 {
        assert_eq!(outcome(&fetch(&client, &envoy, cookie).await), "pinned");
    }
    envoy.wait_for_log("app-0 ejected for", SECOND).await.unwrap();
    // Now both backends are ejected, so panic mode routes to both.
    pods[0].thaw();
    assert_eq!(told(&fetch(&client, &envoy, cookie).await), (200, "pinned".to_owned(), "app-0"));
}

/// A cluster that never passes Envoy's own health checks.
fn never_healthy(name: &str, address: SocketAddr) -> serde_json::Value {
    let mut cluster = config::cluster(name, &[address]);
    cluster["health_checks"] = json!([{
        "tcp_health_check": {}, "timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1,
    }]);
    cluster
}

#[tokio::test]
async fn clusters_that_are_unknown_or_have_no_healthy_host_are_left() {
    let good = Pod::start("good").unwrap();
    let nobody = RefusingAddress::new().unwrap();
    let plugin = json!({
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE" }, "backends": ["good", "unhealthy", "unknown"],
    });
    let bootstrap = Bootstrap::new()
        .cluster("good", &[good.address()])
        .cluster_json(never_healthy("unhealthy", nobody.address()))
        .filter(&plugin);
    let envoy = Envoy::start(&bootstrap.build()).await.unwrap();
    let client = Client::http1();
    let mut replies = Vec::new();
    for _ in 0..60 {
        replies.push(client.fetch(&envoy.url(), &[]).await.unwrap());
    }
    let failures: Vec<&Reply> = replies.iter().filter(|reply| reply.status != 200).collect();
    assert_eq!(failures.len(), 6, "three each");
    assert!(failures.iter().all(|reply| reply.status == 503 && reply.set_cookies.is_empty()));
    for name in ["unhealthy", "unknown"] {
        assert!(envoy.log().contains(&format!("backend {name} ejected for 30 s")), "{name}");
    }
}

#[tokio::test]
async fn no_more_backends_are_ejected_at_a_time_than_allowed() {
    let mut fleet = Fleet::start(4);
    let detection = json!({ "consecutiveLocalOriginFailure": 1, "maxEjectionPercent": 49 });
    let envoy = fleet.envoy(&json!({ "outlierDetection": detection })).await;
    let client = Client::http1();
    let [one, other] = [session_on(&envoy, "app-0").await, session_on(&envoy, "app-3").await];
    fleet.down(3);
    assert_eq!(fetch(&client, &envoy, &other).await.status, 503);
    let moved = fetch(&client, &envoy, &other).await;
    assert_eq!((moved.status.as_u16(), &*outcome(&moved)), (200, "repinned"));
    // One of four backends is 25 %, two would be 50 %.
    fleet.down(0);
    for _ in 0..3 {
        let reply = fetch(&client, &envoy, &one).await;
        assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (503, "pinned"));
    }
}

/// New sessions begin there again when the ejection is over. The second ejection lasts twice as long.
#[tokio::test]
async fn an_ejection_lasts_as_configured_times_the_number_in_a_row() {
    let mut fleet = Fleet::start(2);
    let detection = json!({ "consecutiveLocalOriginFailure": 1, "baseEjectionTimeSec": 1 });
    let envoy = fleet.envoy(&json!({ "outlierDetection": detection })).await;
    let client = Client::http1();
    let cookie = session_on(&envoy, "app-1").await;
    for length in [SECOND, SECOND * 2] {
        fleet.down(1);
        let before = Instant::now();
        assert_eq!(fetch(&client, &envoy, &cookie).await.status, 503);
        let after = Instant::now();
        fleet.up(1);
        while client.fetch(&envoy.url(), &[]).await.unwrap().pod != "app-1" {
            assert!(after.elapsed() < length + SECOND, "still out after {:?}", after.elapsed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The filter's clock has the time of its last tick, up to 200 ms ago.
        let lasted = before.elapsed();
        assert!(lasted + SECOND / 4 > length, "back after {lasted:?}");
    }
}

/// Without a token the filter has no memory: a client pinned by its address moves only while its backend is
/// unavailable.
#[tokio::test]
async fn clients_by_address_move_while_their_backend_is_out_and_no_others() {
    let mut fleet = Fleet::start(3);
    let plugin = json!({
        "sessionAffinity": { "affinityType": "CLIENT_IP" },
        "outlierDetection": { "baseEjectionTimeSec": 3 },
    });
    let trusting = fleet.bootstrap().filter(&fleet.plugin(&plugin)).hcm(|manager| {
        manager["use_remote_address"] = json!(true);
        manager["xff_num_trusted_hops"] = json!(1);
    });
    let envoy = Envoy::start(&trusting.build()).await.unwrap();
    let client = Client::http1();
    let fetch_all = async || {
        let mut replies = Vec::new();
        for host in 0..30 {
            let address = format!("192.0.2.{host}");
            let headers = [("x-forwarded-for", address.as_bytes())];
            replies.push(client.fetch(&envoy.url(), &headers).await.unwrap());
        }
        replies
    };
    let before = fetch_all().await;
    fleet.down(1);
    let failures = fetch_all().await.iter().filter(|reply| reply.status == 503).count();
    assert_eq!(failures, 3);
    let during = fetch_all().await;
    fleet.up(1);
    tokio::time::sleep(SECOND * 4).await;
    let after = fetch_all().await;
    for ((before, during), after) in before.iter().zip(&during).zip(&after) {
        assert_eq!((outcome(after).as_str(), &after.pod), ("hashed", &before.pod));
        if before.pod == "app-1" {
            assert_eq!((outcome(during).as_str(), during.status.as_u16()), ("repinned", 200));
        } else {
            assert_eq!((outcome(during).as_str(), &during.pod), ("hashed", &before.pod));
        }
    }
}
