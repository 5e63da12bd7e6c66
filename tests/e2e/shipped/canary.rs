//! envoy/canary.yaml.

use std::collections::BTreeSet;

use harness::chi_squared;
use harness::client::{Client, Reply};

use crate::shipped_files::File;
use crate::support::{fetch_each, with_cookie};

/// A pod's version: `canary-1` belongs to `canary`.
fn version(reply: &Reply) -> &str {
    assert_eq!(reply.status, 200);
    reply.pod.rsplit_once('-').unwrap().0
}

#[tokio::test]
async fn in_the_canary_file_nine_of_ten_sessions_are_stable_and_each_keeps_its_version() {
    let mut file = File::load("canary.yaml");
    let envoy = file.start().await;
    let url = envoy.url();
    let sessions = fetch_each(Client::http1, &url, vec![Vec::new(); 1000]).await;
    let canaries: Vec<&Reply> = sessions.iter().filter(|reply| version(reply) == "canary").collect();
    let canary = u64::try_from(canaries.len()).unwrap();
    // The filter's randomness has no seed to fix: a correct filter fails here once in 10,000 runs.
    let p = chi_squared(&[1000 - canary, canary], &[90.0, 10.0]);
    assert!(p > 0.0001, "{canary} of 1000 in canary, p = {p}");

    let stable = sessions.iter().find(|reply| version(reply) == "stable").unwrap();
    let both = [stable, canaries[0]];
    for session in both {
        let cookie = session.cookie_pair("GCLB").unwrap();
        let replies = fetch_each(Client::http1, &url, with_cookie(cookie, 40)).await;
        assert!(replies.iter().all(|reply| version(reply) == version(session)));
        let met: BTreeSet<&str> = replies.iter().map(|reply| reply.pod.as_str()).collect();
        assert_eq!(met.len(), 2, "Envoy balances within the version: {met:?}");
    }

    // A pod is removed: its version keeps serving.
    for session in both {
        file.stop_pod(&session.pod);
        let cookie = session.cookie_pair("GCLB").unwrap();
        let replies = fetch_each(Client::http1_fresh, &url, with_cookie(cookie, 40)).await;
        assert!(replies.iter().all(|reply| version(reply) == version(session)));
        assert!(replies.iter().all(|reply| reply.pod != session.pod));
    }
}
