//! The effect of a failing backend on clients: the shipped files and Envoy's own `stateful_session` under the same
//! faults.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use harness::client::Client;
use harness::config;
use harness::envoy::Envoy;
use harness::pod::Pod;
use harness::shipped::Shipped;
use harness::xds;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::progress::Bar;

/// The number of clients, each with its own session. A client sends one GET after another.
const CLIENTS: usize = 120;
/// A client's pause between two GETs.
const REST: Duration = Duration::from_millis(250);
/// The clients send GETs for this long before a fault.
const BEFORE: Duration = Duration::from_secs(2);
/// How long a backend is away for a restart.
const RESTART: Duration = Duration::from_millis(1500);
/// A GET that takes longer was affected by the fault.
const PROMPT: Duration = Duration::from_millis(500);

const BACKENDS: usize = 4;
/// The secret of the tokens.
const SECRET: &str = "c2Vzc2lvbi1hZmZpbml0eS1iZW5jaG1hcmsuLi4uLi4=";

/// The balancers that are compared.
#[derive(Clone, Copy, Debug)]
enum Setup {
    File(&'static str),
    StatefulSession,
}

const SETUPS: [Setup; 4] = [
    Setup::StatefulSession,
    Setup::File("failover.yaml"),
    Setup::File("endpoints.yaml"),
    Setup::File("restarts.yaml"),
];

/// A fault of one of four backends, or of each in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Killed,
    Stopped,
    Failing,
    Restarts,
}

/// Each fault, the timeout of the clients, and how long the clients continue after the fault begins.
const FAULTS: [(Fault, Duration, Duration); 5] = [
    (Fault::Killed, Duration::from_secs(10), Duration::from_secs(5)),
    (Fault::Stopped, Duration::from_secs(3), Duration::from_secs(10)),
    (Fault::Stopped, Duration::from_secs(10), Duration::from_secs(15)),
    (Fault::Failing, Duration::from_secs(10), Duration::from_secs(5)),
    (Fault::Restarts, Duration::from_secs(10), Duration::from_secs(5)),
];

/// The results of the clients.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The name of the fault.
    pub fault: String,
    /// The name of the balancer.
    pub setup: String,
    /// GETs after the beginning of the fault.
    pub gets: usize,
    /// GETs without a 200 response within the client's timeout.
    pub lost: usize,
    /// The total number of changes of a session's backend.
    pub moved: usize,
    /// When the last GET was sent that was lost or slow, from the beginning of the fault.
    pub last_met: Option<Duration>,
    /// The longest time of a GET with a response.
    pub longest: Duration,
}

/// Runs every setup under every fault.
pub async fn measure() -> Result<Vec<Outcome>> {
    let bar = Bar::start("faults", FAULTS.len() * SETUPS.len());
    let mut outcomes = Vec::new();
    for (fault, patience, time) in FAULTS {
        for setup in SETUPS {
            let outcome = measure_one(setup, fault, patience, time).await?;
            bar.done(&format!("{}: {}", outcome.fault, outcome.setup), &format!("{} lost", outcome.lost));
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}

async fn measure_one(setup: Setup, fault: Fault, patience: Duration, time: Duration) -> Result<Outcome> {
    let mut pods = (0..BACKENDS).map(|index| Pod::start(&pod_name(index))).collect::<Result<Vec<_>>>()?;
    let addresses: Vec<SocketAddr> = pods.iter().map(Pod::address).collect();
    let (envoy, _directory) = setup.start(&addresses).await?;
    let ends = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let clients: JoinSet<Vec<Get>> =
        (0..CLIENTS).map(|_| client(envoy.url(), patience, began, Arc::clone(&ends))).collect();
    tokio::time::sleep(BEFORE).await;
    let fault_at = began.elapsed();
    match fault {
        Fault::Killed => pods.remove(1).stop(),
        Fault::Stopped => pods[1].freeze(),
        Fault::Failing => pods[1].fail(),
        Fault::Restarts => {
            for (index, address) in addresses.iter().enumerate() {
                pods.remove(index).stop();
                tokio::time::sleep(RESTART).await;
                pods.insert(index, Pod::start_at(&pod_name(index), *address)?);
                tokio::time::sleep(RESTART).await;
            }
        }
    }
    tokio::time::sleep(time).await;
    ends.store(true, Ordering::Relaxed);
    let of_clients = clients.join_all().await;
    let after = of_clients.iter().flatten().filter(|get| get.sent > fault_at);
    let has_met = |get: &&Get| get.pod.is_none() || get.took > PROMPT;
    let answered = after.clone().filter(|get| get.pod.is_some());
    Ok(Outcome {
        fault: fault.words(patience),
        setup: setup.name(),
        gets: after.clone().count(),
        lost: after.clone().filter(|get| get.pod.is_none()).count(),
        moved: of_clients.iter().map(|gets| moves(gets)).sum(),
        last_met: after.filter(has_met).map(|get| get.sent.saturating_sub(fault_at)).max(),
        longest: answered.map(|get| get.took).max().unwrap_or_default(),
    })
}

/// One GET of a client.
struct Get {
    sent: Duration,
    took: Duration,
    /// The responding backend. `None` if the GET was lost.
    pod: Option<String>,
}

async fn client(url: String, patience: Duration, began: Instant, ends: Arc<AtomicBool>) -> Vec<Get> {
    let client = Client::jar();
    let mut gets = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        let sent = began.elapsed();
        let reply = tokio::time::timeout(patience, client.fetch(&url, &[])).await;
        let answer = reply.ok().and_then(Result::ok).filter(|reply| reply.status == 200);
        let took = began.elapsed().saturating_sub(sent);
        gets.push(Get { sent, took, pod: answer.map(|reply| reply.pod) });
        tokio::time::sleep(REST).await;
    }
    gets
}

/// The number of times that another backend than before served a session.
fn moves(gets: &[Get]) -> usize {
    let pods: Vec<&String> = gets.iter().filter_map(|get| get.pod.as_ref()).collect();
    pods.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

fn pod_name(index: usize) -> String {
    format!("app-{index}")
}

impl Fault {
    fn words(self, patience: Duration) -> String {
        let what = match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped: takes connections, never answers",
            Self::Failing => "answers 503 to everything",
            Self::Restarts => "each restarts in 1.5 s, one after another",
        };
        format!("{what}; clients wait {} s", patience.as_secs())
    }
}

impl Setup {
    fn name(self) -> String {
        match self {
            Self::File(name) => name.to_owned(),
            Self::StatefulSession => "`stateful_session`".to_owned(),
        }
    }

    /// Starts an Envoy with its own directory.
    async fn start(self, addresses: &[SocketAddr]) -> Result<(Envoy, Option<TempDir>)> {
        let options = Envoy::options().log_level("error").env("SESSION_AFFINITY_KEY", SECRET);
        let Self::File(name) = self else {
            return Ok((options.start(&stateful_session(addresses)).await?, None));
        };
        let directory = tempfile::tempdir()?;
        let shipped = addresses.iter().enumerate().fold(Shipped::new(), |shipped, (index, address)| {
            // The second text is the host's name in endpoints/app.yaml.
            shipped.host(&pod_name(index), *address).host(&format!("10.0.0.{}", index + 1), *address)
        });
        let shipped = shipped.directory(directory.path());
        if name == "endpoints.yaml" {
            let endpoints = shipped.load("endpoints/app.yaml")?;
            xds::write(&directory.path().join("endpoints/app.yaml"), endpoints.to_string())
                .context("writing the endpoints")?;
        }
        Ok((options.start(&shipped.load(name)?).await?, Some(directory)))
    }
}

/// The setup of Envoy's documentation: a cookie, health checks, outlier detection, and retries on another host.
fn stateful_session(addresses: &[SocketAddr]) -> Value {
    let mut cluster = config::cluster("app", addresses);
    cluster["common_lb_config"] = json!({ "healthy_panic_threshold": { "value": 0 } });
    cluster["health_checks"] = json!([{
        "http_health_check": { "path": "/" },
        "timeout": "1s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
    }]);
    cluster["outlier_detection"] = json!({ "max_ejection_percent": 50 });
    cluster["circuit_breakers"] = json!({ "thresholds": [{ "max_retries": 1024 }] });
    let previous_hosts = json!({
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": { "@type":
            "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate" },
    });
    let route = json!({
        "match": { "prefix": "/" },
        "route": {
            "cluster": "app",
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream,reset,gateway-error",
                "num_retries": 2,
                "per_try_timeout": "5s",
                "retry_host_predicate": [previous_hosts],
                "host_selection_retry_max_attempts": 5,
            },
        },
    });
    let session = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession",
        "session_state": {
            "name": "envoy.http.stateful_session.cookie",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState",
                "cookie": { "name": "session", "path": "/", "ttl": "3600s" },
            },
        },
    });
    config::Bootstrap::new()
        .cluster_json(cluster)
        .route(route)
        .http_filter(json!({ "name": "envoy.filters.http.stateful_session", "typed_config": session }))
        .build()
}
