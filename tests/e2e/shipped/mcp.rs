//! envoy/mcp.yaml, with the official SDK on both sides.

mod python;

use std::collections::BTreeSet;

use harness::envoy::Envoy;
use serde_json::Value;

use self::python::{Servers, clients};
use crate::availability::load::alone;
use crate::shipped_files::File;
use crate::workers::assert_no_vm_failed;

const CLIENTS: usize = 50;
const CALLS: usize = 50;

/// The same without the filter and what belongs to it.
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
    let servers = Servers::start(&["mcp-0", "mcp-1", "mcp-2"]);
    let file = File::load_with("mcp.yaml", |host| servers.address(host));
    let (envoy, bare) = tokio::join!(file.start(), async { Envoy::start(&bare(&file)).await.unwrap() });

    clients(&envoy.url(), 1, CALLS).await.unwrap();
    let sessions = clients(&envoy.url(), CLIENTS, CALLS).await.unwrap();
    let pods: BTreeSet<&str> = sessions.iter().map(|session| session.pod.as_str()).collect();
    assert_eq!((sessions.len(), pods.len()), (CLIENTS, 3), "{pods:?}");
    let ids: BTreeSet<&str> = sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids.len(), CLIENTS);
    // A server's own are 32 hexadecimal digits.
    assert!(ids.iter().all(|id| id.len() > 128), "{ids:?}");
    assert_no_vm_failed(&envoy).await;

    for count in [1, CLIENTS] {
        let error = clients(&bare.url(), count, CALLS).await.unwrap_err();
        assert!(error.contains("Session terminated") || error.contains("404"), "{error}");
    }
}
