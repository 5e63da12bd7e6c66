//! Backend metrics for operators, and outcomes in the access log.

use std::time::Duration;

use harness::client::Client;
use harness::envoy::{Envoy, Options};
use serde_json::json;

use crate::availability::fleet::{Fleet, SECOND, session_on};
use crate::ecds::{Live, eventually};

const GAUGE: &str = "wasmcustom.session_affinity.service.default.backend.app-1.unavailable";
const EJECTIONS: &str = "wasmcustom.session_affinity.service.default.ejections";
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_gauge_says_while_a_backend_is_unavailable_and_a_counter_how_often_one_was_ejected() {
    let mut fleet = Fleet::start(3);
    let detection = json!({ "consecutiveLocalOriginFailure": 1, "baseEjectionTimeSec": 2 });
    let envoy = fleet.envoy(&json!({ "outlierDetection": detection })).await;
    let cookie = session_on(&envoy, "app-1").await;
    let gauges =
        async || envoy.stats("wasmcustom.").await.unwrap().keys().any(|name| name.contains(".backend."));
    assert!(!gauges().await, "no backend was ever unavailable");
    fleet.down(1);
    Client::http1_fresh().fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
    envoy.wait_for_stat(GAUGE, |value| value == 1, SOON).await.unwrap();
    envoy.wait_for_stat(EJECTIONS, |count| count == 1, SOON).await.unwrap();
    fleet.up(1);
    envoy.wait_for_stat(GAUGE, |value| value == 0, SOON).await.unwrap();
    tokio::time::sleep(SECOND).await;
    assert_eq!(envoy.stat(GAUGE).await.unwrap(), 0, "on every worker");
}

#[tokio::test]
async fn a_backend_that_fails_its_health_checks_is_unavailable_for_the_gauge_too() {
    let mut fleet = Fleet::start(2);
    let checks = json!({ "checkIntervalSec": 1, "healthyThreshold": 1, "unhealthyThreshold": 1 });
    let off = json!({ "consecutiveLocalOriginFailure": 0 });
    let envoy = fleet.envoy(&json!({ "healthCheck": checks, "outlierDetection": off })).await;
    fleet.down(1);
    envoy.wait_for_stat(GAUGE, |value| value == 1, SOON).await.unwrap();
    fleet.up(1);
    envoy.wait_for_stat(GAUGE, |value| value == 0, SOON).await.unwrap();
    assert_eq!(envoy.stat(EJECTIONS).await.unwrap(), 0);
}

/// Streams that go on for hours keep the old configuration alive on their worker.
#[tokio::test]
async fn an_update_sets_the_gauge_of_a_removed_backend_to_zero_although_old_streams_go_on() {
    let mut fleet = Fleet::start(3);
    let detection = json!({ "consecutiveLocalOriginFailure": 1, "baseEjectionTimeSec": 300 });
    let plugin = fleet.plugin(&json!({ "outlierDetection": detection }));
    let mut live = Live::start(fleet.bootstrap(), &plugin).await;
    let cookie = session_on(&live.envoy, "app-1").await;
    let websockets = live.open_websockets().await;
    fleet.down(1);
    Client::http1_fresh().fetch_with_cookie(&live.envoy.url(), &cookie).await.unwrap();
    live.envoy.wait_for_stat(GAUGE, |value| value == 1, SOON).await.unwrap();

    let mut changed = plugin.clone();
    changed["logOutcome"] = json!(true);
    live.update(&changed).await;
    live.envoy.wait_for_stat(GAUGE, |value| value == 1, SOON).await.unwrap();
    drop(websockets);
    tokio::time::sleep(SECOND).await;
    assert_eq!(live.envoy.stat(GAUGE).await.unwrap(), 1, "the backend is still ejected");

    let _websockets = live.open_websockets().await;
    let mut removed = plugin.clone();
    removed["backends"] = json!(["app-0", "app-2"]);
    live.update(&removed).await;
    live.envoy.wait_for_stat(GAUGE, |value| value == 0, SOON).await.unwrap();
    tokio::time::sleep(SECOND).await;
    assert_eq!(live.envoy.stat(GAUGE).await.unwrap(), 0, "no worker sets the gauge again");
}

/// An Envoy that writes only the outcome of each request into its access log.
async fn logging(fleet: &Fleet, fields: &serde_json::Value) -> Envoy {
    let log = json!({
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": { "text_format_source": {
                "inline_string": "outcome=%FILTER_STATE(wasm.session_affinity_outcome:PLAIN)%\n",
            } },
        },
    });
    // Without a debug header, the filter does not process the response of a pinned request.
    let mut plugin = fleet.plugin(fields);
    plugin.as_object_mut().unwrap().remove("debugHeader");
    let config = fleet.bootstrap().filter(&plugin).hcm(move |manager| {
        manager["access_log"] = json!([log]);
    });
    let options = ["--file-flush-interval-msec", "20"].into_iter().fold(Envoy::options(), Options::argument);
    options.start(&config.build()).await.unwrap()
}

#[tokio::test]
async fn the_access_log_is_given_the_outcome_where_it_is_to_be() {
    let fleet = Fleet::start(3);
    for (log_outcome, expected) in
        [(true, ["outcome=assigned", "outcome=pinned", "outcome=invalid"]), (false, ["outcome=-"; 3])]
    {
        let off = json!({ "consecutiveLocalOriginFailure": 0 });
        let fields = json!({ "logOutcome": log_outcome, "outlierDetection": off });
        let envoy = logging(&fleet, &fields).await;
        let client = Client::http1();
        let begun = client.fetch(&envoy.url(), &[]).await.unwrap();
        client.fetch_with_cookie(&envoy.url(), begun.cookie_pair("GCLB").unwrap()).await.unwrap();
        client.fetch_with_cookie(&envoy.url(), "GCLB=x").await.unwrap();
        eventually("three lines", async || envoy.output().lines().count() >= 3).await;
        assert_eq!(envoy.output().lines().collect::<Vec<_>>(), expected);
    }
}
