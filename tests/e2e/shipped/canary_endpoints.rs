//! envoy/canary-endpoints.yaml.

use std::collections::BTreeSet;

use harness::client::{Client, Reply};

use crate::shipped_files::File;
use crate::support::{fetch_each, with_cookie};

/// A pod's version: `canary-1` belongs to `canary`.
fn version(reply: &Reply) -> &str {
    assert_eq!(reply.status, 200);
    reply.pod.rsplit_once('-').unwrap().0
}

#[tokio::test]
async fn in_the_canary_endpoints_file_a_session_keeps_its_version_and_while_it_lives_its_pod() {
    let mut file = File::load("canary-endpoints.yaml");
    let envoy = file.start().await;
    let url = envoy.url();
    // 240 sessions miss one of the two pods of canary once in 100,000 runs.
    let sessions = fetch_each(Client::http1, &url, vec![Vec::new(); 240]).await;
    let met: BTreeSet<&str> = sessions.iter().map(|reply| reply.pod.as_str()).collect();
    assert_eq!(met, ["canary-0", "canary-1", "stable-0", "stable-1"].into());
    for version_name in ["stable", "canary"] {
        let session = sessions.iter().find(|reply| version(reply) == version_name).unwrap();
        let cookie = session.cookie_pair("GCLB").unwrap();
        let replies = fetch_each(Client::http1, &url, with_cookie(cookie, 20)).await;
        assert!(replies.iter().all(|reply| reply.pod == session.pod && reply.set_cookies.is_empty()));
        file.stop_pod(&session.pod);
        let moved = loop {
            let reply = Client::http1().fetch_with_cookie(&url, cookie).await.unwrap();
            if reply.status == 200 {
                break reply;
            }
            // The pod was just closing the connection of this request. This file does not retry it.
            assert!(reply.pod.ends_with("connection termination"), "{} {}", reply.status, reply.pod);
        };
        assert_eq!(version(&moved), version_name);
        assert_ne!(moved.pod, session.pod);
        let cookie = moved.cookie_pair("GCLB").unwrap();
        let replies = fetch_each(Client::http1, &url, with_cookie(cookie, 20)).await;
        assert!(replies.iter().all(|reply| reply.pod == moved.pod && reply.set_cookies.is_empty()));
    }
}
