//! Pods that Envoy reads from a file (EDS), and sessions on these pods.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use harness::client::{Client, Reply};
use harness::config::{self, Bootstrap};
use harness::envoy::Envoy;
use harness::pod::Pod;
use harness::xds;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ecds::{SOON, eventually};
use crate::support::{fetch_each, outcome};
use crate::workers::Workers;

/// One key.
pub fn keys() -> Value {
    json!([{ "id": "k1", "secret": "c2Vzc2lvbi1hZmZpbml0eS1lbmQtdG8tZW5kLXRlc3Q=" }])
}

/// Generated cookies that pin endpoints.
pub fn pin_endpoint() -> Value {
    json!({
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 3600 },
        "pin": "ENDPOINT",
        "keys": keys(),
        "debugHeader": "x-debug",
    })
}

/// A route to the cluster `pods`. A failed request is retried on another pod. So is a request without a response within
/// a time that a healthy pod on a busy machine does not need.
pub fn route_with_retries() -> Value {
    json!({
        "name": "app",
        "match": { "prefix": "/" },
        "route": { "cluster": "pods", "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset",
            "num_retries": 2,
            "per_try_timeout": "5s",
            "retry_host_predicate": [{
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": { "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate" },
            }],
            "host_selection_retry_max_attempts": 10,
        } },
    })
}

/// An Envoy and the file that lists its pods.
pub struct Fleet {
    pub envoy: Envoy,
    /// A client for each worker.
    pub workers: Workers,
    directory: TempDir,
    updates: u64,
}

impl Fleet {
    /// Starts Envoy with these endpoints in the cluster `pods`. `edit` may change the cluster.
    pub async fn start(
        endpoints: &[Value],
        plugin: &Value,
        bootstrap: impl FnOnce(Bootstrap) -> Bootstrap,
        edit: impl FnOnce(&mut Value),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = config::cluster("pods", &[]);
        cluster.as_object_mut().unwrap().remove("load_assignment");
        cluster["type"] = json!("EDS");
        cluster["lb_policy"] = json!("LEAST_REQUEST");
        // Before 1.40, Envoy delays changes of health for a second after another change.
        cluster["common_lb_config"]["update_merge_window"] = json!("0s");
        cluster["ignore_health_on_host_removal"] = json!(true);
        cluster["circuit_breakers"] = json!({ "thresholds": [{ "max_retries": 1024 }] });
        cluster["eds_cluster_config"] = json!({ "eds_config": {
            "path_config_source": { "path": directory.path().join("eds.json").display().to_string() },
            "resource_api_version": "V3",
        } });
        edit(&mut cluster);
        write(&directory, endpoints);
        let config = bootstrap(Bootstrap::new().cluster_json(cluster).filter(plugin));
        let mut config = config.build();
        config["node"] = json!({ "id": "test", "cluster": "test" });
        let envoy = Envoy::start(&config).await.unwrap();
        let workers = Workers::of(&envoy).await;
        Self { envoy, workers, directory, updates: 1 }
    }

    /// Replaces the list of endpoints. Returns when Envoy has read the list.
    pub async fn publish(&mut self, endpoints: &[Value]) {
        write(&self.directory, endpoints);
        self.updates += 1;
        let updates = self.updates;
        self.envoy
            .wait_for_stat("cluster.pods.update_success", |count| count == updates, SOON)
            .await
            .unwrap();
    }

    /// Begins this many sessions, and checks that each pod has some.
    pub async fn begin(&self, count: usize) -> Sessions {
        let replies = fetch_each(Client::http1, &self.envoy.url(), vec![Vec::new(); count]).await;
        let session = |reply: Reply| {
            assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "assigned"));
            Session { cookie: reply.cookie_pair("GCLB").unwrap().to_owned(), pod: reply.pod }
        };
        Sessions(replies.into_iter().map(session).collect())
    }

    /// Waits until no worker routes this session to its pod any more. Every response in the meantime must be 200.
    pub async fn until_it_moves(&self, session: &Session) {
        self.until_it_leaves(session, 200).await;
    }

    /// Waits until every worker refuses this session with this status.
    pub async fn until_it_is_refused(&self, session: &Session, status: u16) {
        self.until_it_leaves(session, status).await;
    }

    async fn until_it_leaves(&self, session: &Session, status: u16) {
        eventually(&format!("no worker uses {}", session.pod), async || {
            let replies = self.workers.fetch("/", &[("cookie", session.cookie.as_bytes())]).await;
            for reply in &replies {
                let expected = if reply.pod == session.pod { 200 } else { status };
                assert_eq!(reply.status, expected, "{session:?}: {reply:?}");
            }
            replies.iter().all(|reply| reply.pod != session.pod)
        })
        .await;
    }

    /// Waits until the session's old cookie, from before the move, is served by the old pod again.
    pub async fn until_it_returns(&self, session: &Session) {
        eventually(&format!("{} is used again", session.pod), async || {
            let replies = self.workers.fetch("/", &[("cookie", session.cookie.as_bytes())]).await;
            replies.iter().all(|reply| reply.pod == session.pod)
        })
        .await;
    }
}

/// All pods, healthy.
pub fn endpoints(pods: &[Pod]) -> Vec<Value> {
    pods.iter().map(|pod| endpoint(pod.address(), "HEALTHY")).collect()
}

/// An endpoint and its health in EDS.
pub fn endpoint(address: SocketAddr, health: &str) -> Value {
    json!({ "endpoint": { "address": config::socket_address(address) }, "health_status": health })
}

fn write(directory: &TempDir, endpoints: &[Value]) {
    let assignment = json!({
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": "pods",
        "endpoints": [{ "lb_endpoints": endpoints }],
    });
    xds::write(&directory.path().join("eds.json"), xds::resources(&[assignment])).unwrap();
}

/// A client's cookie, and the pod on which its session is.
#[derive(Clone, Debug)]
pub struct Session {
    pub cookie: String,
    pub pod: String,
}

/// Clients that keep their cookies.
#[derive(Clone, Debug)]
pub struct Sessions(pub Vec<Session>);

impl Sessions {
    /// One session on this pod.
    pub fn on(&self, pod: &str) -> &Session {
        self.0.iter().find(|session| session.pod == pod).unwrap_or_else(|| panic!("no session on {pod}"))
    }

    /// This many sessions on each pod.
    pub fn some_of_each(&self, count: usize) -> Self {
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        let some = self.0.iter().filter(|session| {
            let taken = taken.entry(&session.pod).or_default();
            *taken += 1;
            *taken <= count
        });
        Self(some.cloned().collect())
    }

    async fn fetch(&self, url: &str) -> Vec<Reply> {
        let requests = self.0.iter().map(|session| vec![("cookie", session.cookie.clone().into_bytes())]);
        let replies = fetch_each(Client::http1, url, requests.collect()).await;
        assert!(replies.iter().all(|reply| reply.status == 200), "{:?}", worst(&replies));
        replies
    }

    /// Every session is served by its pod and gets no new token.
    pub async fn assert_all_stay(&self, url: &str) {
        for (session, reply) in self.0.iter().zip(self.fetch(url).await) {
            assert_eq!((&reply.pod, &*outcome(&reply)), (&session.pod, "pinned"));
            assert_eq!(reply.set_cookie("GCLB"), None);
        }
    }

    /// With one request each, the sessions on `gone` move and get a new token. The others stay. After that all sessions
    /// stay.
    pub async fn assert_only_those_move(&mut self, url: &str, gone: &str) {
        let started = Instant::now();
        let replies = self.fetch(url).await;
        let mut moved = 0;
        for (session, reply) in self.0.iter_mut().zip(replies) {
            if session.pod == gone {
                assert_eq!(
                    outcome(&reply),
                    "repinned",
                    "{gone}, answered by {} after {:?}",
                    reply.pod,
                    started.elapsed()
                );
                assert_ne!(reply.pod, gone);
                reply.cookie_pair("GCLB").expect("the client is told").clone_into(&mut session.cookie);
                session.pod = reply.pod;
                moved += 1;
            } else {
                assert_eq!((&reply.pod, &*outcome(&reply)), (&session.pod, "pinned"));
                assert_eq!(reply.set_cookie("GCLB"), None);
            }
        }
        assert!(moved > 0, "no session was on {gone}");
        self.assert_all_stay(url).await;
    }
}

fn worst(replies: &[Reply]) -> Option<&Reply> {
    replies.iter().max_by_key(|reply| reply.status)
}
