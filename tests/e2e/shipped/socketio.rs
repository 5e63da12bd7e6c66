//! envoy/websocket.yaml with socket.io as client and server, in its release for Python.

use std::collections::BTreeMap;

use harness::envoy::Envoy;
use serde_json::{Value, json};

use super::python::{Packages, Servers, Talk};
use crate::shipped_files::{File, plugin};
use crate::workers::assert_no_vm_failed;

const SOCKET_IO: Packages = Packages {
    name: "socketio",
    requirements: &["python-socketio[asyncio-client]>=5.18,<6", "uvicorn>=0.54,<1", "websockets"],
};

const PODS: [&str; 3] = ["ws-0", "ws-1", "ws-2"];

const LONG_POLLING_FIRST: &str = "polling,websocket";

/// The result of one client, as `tests/socketio/client.py` reports it.
#[derive(Debug)]
struct User(Value);

impl User {
    /// The pods that have served it, in order.
    fn pods(&self) -> Vec<&str> {
        self.0["pods"].as_array().unwrap().iter().map(|pod| pod.as_str().unwrap()).collect()
    }

    fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap()
    }

    /// Everything went well: the client connected `connects` times and lost the connection one time less.
    fn assert_fine(&self, messages: u64, transport: &str, connects: u64) {
        assert_eq!(self.0["errors"], json!([]), "{self:?}");
        assert!(self.number("messages") >= messages, "{self:?}");
        assert_eq!(self.0["transport"], transport, "{self:?}");
        let counts = (self.number("connects"), self.number("disconnects"));
        assert_eq!(counts, (connects, connects - 1), "{self:?}");
    }

    fn failed(&self) -> bool {
        self.0["errors"] != json!([])
    }
}

/// Runs this many clients with this many messages each. When all clients have exchanged half of the messages, `halfway`
/// may kill a pod and return its name.
fn users(
    envoy: &Envoy,
    count: usize,
    messages: u64,
    transports: &str,
    halfway: impl FnOnce() -> &'static str,
) -> Vec<User> {
    tokio::task::block_in_place(|| {
        let mut command = SOCKET_IO.script("client.py");
        command.args([&envoy.url(), &count.to_string(), &messages.to_string(), transports]);
        let mut talk = Talk::start(command);
        assert_eq!(talk.hear().as_deref(), Some("halfway"));
        talk.say(halfway());
        let users: Vec<User> = std::iter::from_fn(|| talk.hear())
            .map(|line| User(serde_json::from_str(&line).unwrap()))
            .collect();
        assert_eq!(users.len(), count, "the clients have ended");
        users
    })
}

fn nobody_dies() -> &'static str {
    ""
}

/// The number of these users on each pod.
fn spread<'a>(users: &[&'a User]) -> BTreeMap<&'a str, u64> {
    let mut spread = BTreeMap::new();
    for &user in users {
        *spread.entry(*user.pods().last().unwrap()).or_default() += 1;
    }
    spread
}

/// The same without affinity.
fn without_affinity(file: &File) -> Value {
    let mut bootstrap = file.bootstrap.clone();
    plugin(&mut bootstrap)["sessionAffinity"] = json!({ "affinityType": "NONE" });
    bootstrap
}

/// The number of requests that Envoy's connection manager has responded to, by stats whose names end with `name`.
async fn requests(envoy: &Envoy, name: &str) -> u64 {
    envoy.stat(&format!("http.ingress.downstream_rq_{name}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn socket_io_clients_upgrade_and_outlive_a_pod_which_fail_without_affinity() {
    let mut servers = Servers::start(SOCKET_IO, &PODS);
    let file = File::load_with("websocket.yaml", |host| servers.address(host));
    let (envoy, bare) =
        tokio::join!(file.start(), async { Envoy::start(&without_affinity(&file)).await.unwrap() });

    // Without affinity, an upgrade reaches the server of its session once in three times, which is all that it needs.
    let unlucky = users(&bare, 200, 100, LONG_POLLING_FIRST, nobody_dies);
    let failed = unlucky.iter().filter(|user| user.failed()).count();
    assert!(failed > 80, "{failed} of 200 failed, 133 were expected");

    let users = users(&envoy, 200, 100, LONG_POLLING_FIRST, || {
        servers.kill("ws-1");
        "ws-1"
    });
    let (moved, stayed): (Vec<_>, Vec<_>) = users.iter().partition(|user| user.pods()[0] == "ws-1");
    for user in &stayed {
        user.assert_fine(100, "websocket", 1);
        assert_eq!(user.pods().len(), 1, "{user:?}");
    }
    for user in &moved {
        user.assert_fine(100, "websocket", 2);
        assert_eq!(user.pods().len(), 2, "{user:?}");
    }
    let (stayed, moved) = (spread(&stayed), spread(&moved));
    eprintln!("{failed} of 200 failed without affinity; with it {stayed:?} stayed and {moved:?} moved");
    assert_eq!((stayed.len(), moved.len()), (2, 2));

    // One poll and one upgrade for each connection: no client needed a retry.
    let connections = 200 + moved.values().sum::<u64>();
    let answers = [requests(&envoy, "2xx").await, requests(&envoy, "1xx").await];
    assert_eq!((answers, requests(&envoy, "total").await), ([connections; 2], 2 * connections));
    assert_no_vm_failed(&envoy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn socket_io_clients_that_cannot_upgrade_poll_on_which_fail_without_affinity() {
    let servers = Servers::start(SOCKET_IO, &PODS);
    let file = File::load_with("websocket.yaml", |host| servers.address(host));
    let (envoy, bare) =
        tokio::join!(file.start(), async { Envoy::start(&without_affinity(&file)).await.unwrap() });

    let unlucky = users(&bare, 20, 100, "polling", nobody_dies);
    assert!(unlucky.iter().all(User::failed), "{unlucky:?}");

    let users = users(&envoy, 20, 100, "polling", nobody_dies);
    for user in &users {
        user.assert_fine(100, "polling", 1);
        assert_eq!(user.pods().len(), 1, "{user:?}");
    }
    assert_eq!((requests(&envoy, "4xx").await, requests(&envoy, "5xx").await), (0, 0));
    assert_no_vm_failed(&envoy).await;
}
