//! envoy/mcp.yaml, with the official SDK on both sides.

use std::collections::BTreeSet;

use harness::envoy::Envoy;
use serde_json::{Value, json};

use super::python::{Packages, Servers};
use crate::shipped_files::File;
use crate::workers::assert_no_vm_failed;

/// The official SDK. From version 2 on its default client speaks a protocol without sessions.
const SDK: Packages = Packages { name: "mcp", requirements: &["mcp>=1.26,<2"] };

/// What one client came to.
#[derive(Debug)]
struct Session {
    /// The server that answered all of its calls.
    pod: String,
    /// The session's id as the client knows it.
    id: String,
}

/// Runs so many clients at once, each with so many calls, as `tests/mcp/client.py` tells. Fails with what the clients
/// say went wrong.
async fn clients(url: &str, clients: usize, calls: usize) -> Result<Vec<Session>, String> {
    let url = format!("{url}/mcp");
    let run = move || {
        SDK.script("client.py").args([&url, &clients.to_string(), &calls.to_string()]).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lines = String::from_utf8(output.stdout).unwrap();
    let session = |line: &str| {
        let (pod, id) = line.split_once(' ').unwrap();
        Session { pod: pod.to_owned(), id: id.to_owned() }
    };
    Ok(lines.lines().map(session).collect())
}

/// The same without the filter and what belongs to it.
fn bare(file: &File) -> Value {
    let mut bootstrap = file.bootstrap.clone();
    let filters = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    let filters = bootstrap.pointer_mut(filters).and_then(Value::as_array_mut).unwrap();
    filters.retain(|filter| filter["name"] == "envoy.filters.http.router");
    bootstrap["static_resources"]["clusters"][0]["lb_policy"] = json!("ROUND_ROBIN");
    bootstrap
}

#[tokio::test]
async fn in_the_mcp_file_sessions_of_the_official_sdk_hold_which_fail_without_the_filter() {
    let servers = Servers::start(SDK, &["mcp-0", "mcp-1", "mcp-2"]);
    let file = File::load_with("mcp.yaml", |host| servers.address(host));
    let (envoy, bare) = tokio::join!(file.start(), async { Envoy::start(&bare(&file)).await.unwrap() });

    clients(&envoy.url(), 1, 50).await.unwrap();
    // Fifty at once. Each call costs the SDK some milliseconds of a processor.
    let sessions = clients(&envoy.url(), 50, 10).await.unwrap();
    let pods: BTreeSet<&str> = sessions.iter().map(|session| session.pod.as_str()).collect();
    assert_eq!((sessions.len(), pods.len()), (50, 3), "{pods:?}");
    let ids: BTreeSet<&str> = sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids.len(), 50);
    // A server's own are 32 hexadecimal digits.
    assert!(ids.iter().all(|id| id.len() > 128), "{ids:?}");
    assert_no_vm_failed(&envoy).await;

    let error = clients(&bare.url(), 1, 50).await.unwrap_err();
    assert!(error.contains("Session terminated") || error.contains("404"), "{error}");
}
