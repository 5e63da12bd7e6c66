//! Each of Envoy's workers has its own VM. Clients that reach every worker, and a check that the VMs survive.

use std::collections::BTreeMap;

use harness::client::{Client, Reply};
use harness::envoy::Envoy;

/// A client for each worker. A connection stays with the worker that accepted it, so each client sends one request at a
/// time.
pub struct Workers {
    url: String,
    clients: Vec<Client>,
}

impl Workers {
    /// Connects until every worker has accepted a connection. No other client may connect meanwhile.
    pub async fn of(envoy: &Envoy) -> Self {
        let url = envoy.url();
        let mut clients = BTreeMap::new();
        let mut before = connections(envoy).await;
        while clients.len() < before.len() {
            let client = Client::http1();
            client.fetch(&url, &[]).await.unwrap();
            let after = connections(envoy).await;
            let (worker, _) = after.iter().find(|(worker, count)| before[*worker] != **count).unwrap();
            clients.entry(worker.clone()).or_insert(client);
            before = after;
        }
        Self { url, clients: clients.into_values().collect() }
    }

    /// The response of one worker.
    pub async fn fetch_from(&self, worker: usize, path: &str, headers: &[(&str, &[u8])]) -> Reply {
        self.clients[worker].fetch(&format!("{}{path}", self.url), headers).await.unwrap()
    }

    /// The response of each worker to the same request.
    pub async fn fetch(&self, path: &str, headers: &[(&str, &[u8])]) -> Vec<Reply> {
        let url = format!("{}{path}", self.url);
        let mut replies = Vec::new();
        for client in &self.clients {
            replies.push(client.fetch(&url, headers).await.unwrap());
        }
        replies
    }
}

/// The number of connections that each worker has accepted.
async fn connections(envoy: &Envoy) -> BTreeMap<String, u64> {
    let mut stats = envoy.stats("listener.").await.unwrap();
    stats.retain(|name, _| name.contains(".worker_") && name.ends_with(".downstream_cx_total"));
    assert!(stats.len() >= 2, "{stats:?}");
    stats
}

/// Fails if a VM of this Envoy ever failed, according to Envoy's counts of reloads and its log of failed calls into a
/// module.
pub async fn assert_no_vm_failed(envoy: &Envoy) {
    for (name, value) in envoy.stats("wasm.").await.unwrap() {
        let counts_vms = [".active", ".created", ".wasm_vm_count"].iter().any(|end| name.ends_with(end));
        assert!(counts_vms || value == 0, "{name} is {value}");
    }
    let log = envoy.log();
    let failure = log.lines().find(|line| {
        (line.contains("Function: ") && line.contains(" failed")) || line.contains("panicked at")
    });
    assert_eq!(failure, None);
}
