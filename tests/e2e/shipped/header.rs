//! envoy/header.yaml.

use std::collections::BTreeSet;

use harness::client::Client;

use crate::shipped_files::File;
use crate::support::fetch_each;

#[tokio::test]
async fn in_the_header_file_a_client_without_cookies_stays_on_its_backend() {
    let file = File::load("header.yaml");
    let envoy = file.start().await;
    let sessions = fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 40]).await;
    let met: BTreeSet<&str> = sessions.iter().map(|reply| reply.pod.as_str()).collect();
    assert_eq!(met.len(), 3, "{met:?}");
    for session in &sessions[..5] {
        assert!(session.set_cookies.is_empty());
        let request = vec![("x-session", session.header("X-Session").unwrap().into_bytes())];
        for client in [Client::http1, Client::http2] {
            let replies = fetch_each(client, &envoy.url(), vec![request.clone(); 20]).await;
            assert!(
                replies.iter().all(|reply| reply.pod == session.pod && reply.header("x-session").is_none())
            );
        }
    }
}
