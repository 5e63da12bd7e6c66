//! `CLUSTER_AND_ENDPOINT` without cookies: a header, or the application's own carrier, holds the version and its pod.

use std::collections::BTreeSet;

use harness::client::{Client, Reply};
use serde_json::{Value, json};

use super::fleet::keys;
use super::versions::{Versions, version, weights};
use crate::ecds::Live;
use crate::support::{Headers, fetch_each};
use crate::workers::assert_no_vm_failed;

const HEADER: &str = "x-session";
const SESSIONS: usize = 80;

/// A client: the header value that it sends, the application's name for its session, and its pod.
#[derive(Clone, Debug)]
struct Session {
    token: Option<Vec<u8>>,
    name: Vec<u8>,
    pod: String,
}

/// Clients of one Envoy. Each sends back the value that it received last.
struct Clients {
    live: Live,
    affinity_type: &'static str,
    versions: Versions,
    sessions: Vec<Session>,
}

impl Clients {
    /// The clients begin on two versions of equal weight with four pods each.
    async fn begin(affinity_type: &'static str) -> Self {
        let versions = Versions::start(4, 4);
        let live = Live::start(versions.with_retries(), &plugin(affinity_type, &weights(1, 1))).await;
        let new =
            |index| Session { token: None, name: format!("name-{index}").into_bytes(), pod: String::new() };
        let sessions = (0..SESSIONS).map(new).collect();
        let mut clients = Self { live, affinity_type, versions, sessions };
        for (session, reply) in clients.fetch().await {
            let begun = Session { token: Some(got(&reply).unwrap()), pod: reply.pod, ..session };
            clients.sessions.push(begun);
        }
        clients.sessions.drain(..SESSIONS);
        let met: BTreeSet<&str> = clients.sessions.iter().map(|session| session.pod.as_str()).collect();
        assert_eq!(met.len(), 8, "{met:?}");
        clients
    }

    async fn update(&mut self, backends: &Value) {
        self.live.update(&plugin(self.affinity_type, backends)).await;
    }

    /// One request of each client. For an envelope, the application names the session in every response.
    async fn fetch(&self) -> Vec<(Session, Reply)> {
        let request = |session: &Session| {
            let mut headers: Headers = session.token.iter().map(|token| (HEADER, token.clone())).collect();
            if self.affinity_type == "HEADER_ENVELOPE" {
                headers.push(("x-answer-header", [b"X-Session: ", session.name.as_slice()].concat()));
            }
            headers
        };
        let requests = self.sessions.iter().map(request).collect();
        let replies = fetch_each(Client::http1, &self.live.envoy.url(), requests).await;
        assert!(replies.iter().all(|reply| reply.status == 200));
        self.sessions.iter().cloned().zip(replies).collect()
    }

    /// Every client is served by its pod and gets no new token.
    async fn assert_all_stay(&self) {
        for (session, reply) in self.fetch().await {
            assert_eq!(reply.pod, session.pod);
            // Every response carries an envelope, which stays the same.
            let expected = session.token.filter(|_| self.affinity_type == "HEADER_ENVELOPE");
            assert_eq!(got(&reply), expected);
        }
    }

    /// The clients that `moves` selects move at once to a pod that `to` accepts, and get a new token. Then all clients
    /// stay.
    async fn assert_only_those_move(&mut self, moves: impl Fn(&str) -> bool, to: impl Fn(&str) -> bool) {
        let mut met = BTreeSet::new();
        let replies = self.fetch().await;
        for (session, (before, reply)) in self.sessions.iter_mut().zip(replies) {
            if moves(&before.pod) {
                assert!(to(&reply.pod), "{} moved to {}", before.pod, reply.pod);
                assert_ne!(got(&reply), before.token);
                session.token = Some(got(&reply).expect("the client is told"));
                session.pod.clone_from(&reply.pod);
                met.insert(reply.pod);
            } else {
                assert_eq!(reply.pod, before.pod);
            }
        }
        assert!(met.len() > 1, "all moved to {met:?}");
        self.assert_all_stay().await;
    }

    /// The applications only see their own session names.
    fn assert_applications_see_their_own_names(&self) {
        let names: BTreeSet<&[u8]> = self.sessions.iter().map(|session| session.name.as_slice()).collect();
        for pod in &self.versions.0 {
            let requests = pod.requests();
            let seen: Vec<_> = requests.iter().flat_map(|request| request.header(HEADER)).collect();
            assert!(
                !seen.is_empty() && seen.iter().all(|value| names.contains(value.as_slice())),
                "{seen:?}"
            );
        }
    }
}

fn plugin(affinity_type: &str, backends: &Value) -> Value {
    json!({
        "sessionAffinity": { "affinityType": affinity_type, "header": { "name": "X-Session" } },
        "pin": "CLUSTER_AND_ENDPOINT",
        "backends": backends,
        "keys": keys(),
    })
}

/// The header value that the client received.
fn got(reply: &Reply) -> Option<Vec<u8>> {
    assert!(reply.headers.get_all(HEADER).iter().count() < 2);
    reply.headers.get(HEADER).map(|value| value.as_bytes().to_vec())
}

async fn keeps_version_and_pod(clients: &mut Clients) {
    clients.assert_all_stay().await;
    clients.update(&weights(0, 100)).await;
    clients.assert_all_stay().await;
    clients.update(&weights(100, 0)).await;
    clients.assert_all_stay().await;

    // One pod of each version is removed: the sessions keep their version.
    for pod in ["stable-0", "canary-3"] {
        clients.versions.stop(pod);
        let in_version = |other: &str| other != pod && version(other) == version(pod);
        clients.assert_only_those_move(|own| own == pod, in_version).await;
    }

    // One version is removed.
    clients.update(&json!(["canary"])).await;
    let on_canary = |pod: &str| version(pod) == "canary" && pod != "canary-3";
    clients.assert_only_those_move(|pod| version(pod) == "stable", on_canary).await;
    clients.update(&weights(1, 1)).await;
    clients.assert_all_stay().await;
    assert_no_vm_failed(&clients.live.envoy).await;
}

#[tokio::test]
async fn a_session_in_a_header_keeps_its_version_and_its_pod_and_moves_only_with_what_it_lost() {
    keeps_version_and_pod(&mut Clients::begin("GENERATED_HEADER").await).await;
}

#[tokio::test]
async fn a_session_in_an_envelope_keeps_its_version_and_its_pod_and_moves_only_with_what_it_lost() {
    let mut clients = Clients::begin("HEADER_ENVELOPE").await;
    keeps_version_and_pod(&mut clients).await;
    clients.assert_applications_see_their_own_names();
}
