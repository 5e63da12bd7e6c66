//! A configuration update turns on `idleTimeoutSec` under load.

use std::time::{Duration, Instant};

use harness::client::{Client, Reply};
use serde_json::{Value, json};

use crate::ecds::Live;
use crate::support::{bootstrap, names, pods};

/// In seconds.
const IDLE_TIMEOUT: u64 = 2;

fn cookies(backends: &Value, idle_timeout: u64) -> Value {
    json!({
        "sessionAffinity": {
            "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 1000, "idleTimeoutSec": idle_timeout,
        },
        "backends": backends,
    })
}

/// The test is about time, so it waits.
#[tokio::test]
async fn turning_the_idle_timeout_on_ends_no_session_in_use() {
    let pods = pods(3);
    let backends = names(&pods);
    let mut live = Live::start(bootstrap(&pods), &cookies(&backends, 0)).await;
    let client = Client::http1();
    let mut sessions = Vec::new();
    for _ in 0..10 {
        let reply = client.fetch(&live.envoy.url(), &[]).await.unwrap();
        sessions.push((reply.cookie_pair("GCLB").unwrap().to_owned(), reply.pod));
    }
    let began = Instant::now();
    live.update(&cookies(&backends, IDLE_TIMEOUT)).await;
    tokio::time::sleep(Duration::from_secs(IDLE_TIMEOUT + 1).saturating_sub(began.elapsed())).await;
    let mark = "x-version-1";
    for (cookie, pod) in &mut sessions {
        let reply = client.fetch_with_cookie(&live.envoy.url(), cookie).await.unwrap();
        assert_eq!((&*outcome_in(&reply, mark), &reply.pod), ("pinned", &*pod));
        // From now on the token records its last use.
        reply.cookie_pair("GCLB").expect("a renewed token").clone_into(cookie);
    }
    // Unused sessions end.
    tokio::time::sleep(Duration::from_secs(IDLE_TIMEOUT + 1)).await;
    let (cookie, _) = &sessions[0];
    let reply = client.fetch_with_cookie(&live.envoy.url(), cookie).await.unwrap();
    assert_eq!(outcome_in(&reply, mark), "expired");
}

/// The outcome in this debug header.
fn outcome_in(reply: &Reply, header: &str) -> String {
    reply.header(header).unwrap().split(';').next().unwrap().to_owned()
}
