//! The Host header of a health check if cluster names are not valid host names.

use harness::client::Client;
use harness::config::{self, Bootstrap};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::ecds::{SOON, eventually};
use crate::support::{bootstrap, outcome};

/// Cluster names of Istio and Envoy Gateway.
const NAMES: [&str; 4] = [
    "plain",
    "outbound|80|v1|web.default.svc.cluster.local",
    "httproute/default/web/rule/0",
    "web_1.default:8080",
];

fn plugin(fields: &Value) -> Value {
    let mut checks = json!({ "requestPath": "/healthz", "checkIntervalSec": 1, "unhealthyThreshold": 1 });
    for (name, value) in fields.as_object().unwrap() {
        checks[name] = value.clone();
    }
    json!({
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE" },
        "backends": NAMES,
        "healthCheck": checks,
        "outlierDetection": { "consecutiveLocalOriginFailure": 0 },
        "debugHeader": "x-debug",
    })
}

/// An application behind an Envoy sidecar. The sidecar responds with 400 to an invalid Host.
async fn strict_application() -> Envoy {
    let answer = json!({ "status": 200, "body": { "inline_string": "ok" } });
    let route = json!({ "match": { "prefix": "/" }, "direct_response": answer });
    Envoy::start(&Bootstrap::new().route(route).build()).await.unwrap()
}

#[tokio::test]
async fn a_backend_whose_cluster_name_is_no_host_name_passes_its_health_checks() {
    let application = strict_application().await;
    let address = application.address("http").unwrap();
    let mut route = config::default_route();
    route["response_headers_to_add"] =
        json!([{ "header": { "key": "x-cluster", "value": "%UPSTREAM_CLUSTER%" } }]);
    let config = NAMES.iter().fold(Bootstrap::new(), |config, name| config.cluster(name, &[address]));
    let config = config.route(route).filter(&plugin(&json!({})));
    let envoy = Envoy::start(&config.build()).await.unwrap();
    let client = Client::http1();
    let probed = |probes| probes >= u64::try_from(4 * NAMES.len()).unwrap();
    application.wait_for_stat("http.http.downstream_rq_completed", probed, SOON).await.unwrap();
    let log = envoy.log();
    let failed: Vec<_> = log.lines().filter(|line| line.contains("fails its health checks")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(application.stat("http.http.downstream_rq_4xx").await.unwrap(), 0);
    for name in NAMES {
        eventually(&format!("sessions begin on {name}"), async || {
            let reply = client.fetch(&envoy.url(), &[]).await.unwrap();
            assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "assigned"));
            reply.header("x-cluster").unwrap() == name
        })
        .await;
    }
}

/// The Host header of the first probe of each pod.
async fn hosts(fields: &Value) -> Vec<String> {
    let pods = NAMES.map(|name| Pod::start(name).unwrap());
    let envoy = Envoy::start(&bootstrap(&pods).filter(&plugin(fields)).build()).await.unwrap();
    let mut hosts = Vec::new();
    for pod in &pods {
        let probe = || pod.requests().into_iter().find(|request| request.uri.path() == "/healthz");
        eventually("each is probed", async || probe().is_some()).await;
        hosts.push(String::from_utf8(probe().unwrap().header("host").concat()).unwrap());
    }
    drop(envoy);
    hosts
}

#[tokio::test]
async fn the_host_of_a_health_check_is_the_clusters_name_where_that_is_a_host() {
    let [plain, istio, gateway, _] = &hosts(&json!({})).await[..] else { panic!("not four") };
    assert_eq!([plain, istio, gateway], ["plain", "session-affinity", "session-affinity"]);
}

#[tokio::test]
async fn the_host_of_a_health_check_is_what_the_configuration_says() {
    assert_eq!(hosts(&json!({ "host": "health.example" })).await, ["health.example"; 4]);
}

#[tokio::test]
async fn a_host_that_is_none_is_refused() {
    let pods = NAMES.map(|name| Pod::start(name).unwrap());
    for host in ["", "a|b", "a/b", "a b", "a\r\nb"] {
        let config = bootstrap(&pods).filter(&plugin(&json!({ "host": host }))).build();
        let log = Envoy::validate(&config).await.expect_err(host);
        let line = log.lines().find(|line| line.contains("config error at healthCheck.host: "));
        assert!(line.is_some_and(|line| !line.contains("unknown field")), "{host:?}: {line:?}");
    }
}
