//! envoy/mcp.yaml with the official SDK as client and server.

use std::collections::BTreeSet;

use harness::envoy::Envoy;
use serde_json::Value;

use super::python::{Packages, Servers};
use crate::availability::load::alone;
use crate::shipped_files::File;
use crate::workers::assert_no_vm_failed;

/// The official SDK and its dependencies, at versions that are known to pass, for Python 3.11 or later. From version 2
/// on, the default client of the SDK uses a protocol without sessions.
const SDK: Packages = Packages {
    name: "mcp",
    requirements: &[
        "mcp==1.30.0",
        "annotated-types==0.8.0",
        "anyio==4.16.0",
        "attrs==26.1.0",
        "certifi==2026.10.19.post1",
        "cffi==2.1.1",
        "click==8.5.1",
        "cryptography==50.0.2",
        "h11==0.16.0",
        "httpcore==1.0.9",
        "httpx-sse==0.4.3",
        "httpx==0.28.1",
        "idna==3.20",
        "jsonschema-specifications==2025.9.1",
        "jsonschema==4.26.0",
        "pycparser==3.12",
        "pydantic-core==2.50.5",
        "pydantic-settings==2.16.3",
        "pydantic==2.14.4",
        "pyjwt==2.15.1",
        "python-dotenv==1.2.4",
        "python-multipart==0.0.34",
        "referencing==0.37.0",
        "rpds-py==2026.9.1",
        "sse-starlette==3.7.0",
        "starlette==1.10.0",
        "typing-extensions==4.16.0",
        "typing-inspection==0.4.5",
        "uvicorn==0.54.0",
    ],
};

const CLIENTS: usize = 50;
const CALLS: usize = 50;

/// The result of one client.
#[derive(Debug)]
struct Session {
    /// The server that responded to all of its calls.
    pod: String,
    /// The session's id as the client knows it.
    id: String,
}

/// Runs this many clients at once, each with this many calls, as described in `tests/mcp/client.py`. Fails with the
/// errors that the clients report.
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

/// The same without the filter and its settings.
fn bare(file: &File) -> Value {
    let mut bootstrap = file.bootstrap.clone();
    let filters = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    let filters = bootstrap.pointer_mut(filters).and_then(Value::as_array_mut).unwrap();
    filters.retain(|filter| filter["name"] == "envoy.filters.http.router");
    bootstrap
}

#[tokio::test]
async fn in_the_mcp_file_sessions_of_the_official_sdk_hold_which_fail_without_the_filter() {
    let _alone = alone().await;
    let servers = Servers::start(SDK, &["mcp-0", "mcp-1", "mcp-2"]);
    let file = File::load_with("mcp.yaml", |host| servers.address(host));
    let (envoy, bare) = tokio::join!(file.start(), async { Envoy::start(&bare(&file)).await.unwrap() });

    clients(&envoy.url(), 1, CALLS).await.unwrap();
    let sessions = clients(&envoy.url(), CLIENTS, CALLS).await.unwrap();
    let pods: BTreeSet<&str> = sessions.iter().map(|session| session.pod.as_str()).collect();
    assert_eq!((sessions.len(), pods.len()), (CLIENTS, 3), "{pods:?}");
    let ids: BTreeSet<&str> = sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids.len(), CLIENTS);
    // A server's own session ids are 32 hexadecimal digits.
    assert!(ids.iter().all(|id| id.len() > 128), "{ids:?}");
    assert_no_vm_failed(&envoy).await;

    for count in [1, CLIENTS] {
        let error = clients(&bare.url(), count, CALLS).await.unwrap_err();
        assert!(error.contains("Session terminated") || error.contains("404"), "{error}");
    }
}
