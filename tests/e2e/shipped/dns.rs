//! envoy/dns.yaml. `cargo xtask test --compose` tests that it follows changing DNS records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use harness::client::Client;
use harness::config::socket_address;
use serde_json::json;

use crate::shipped_files::File;

/// A generous limit, much longer than needed.
const SOON: Duration = Duration::from_secs(20);
use crate::support::{fetch_each, pods, with_cookie};

#[tokio::test]
async fn in_the_dns_file_sessions_stay_on_their_address_of_the_name_until_it_is_dead() {
    let mut pods = pods(3);
    let file = File::load("dns.yaml");
    let mut bootstrap = file.bootstrap.clone();
    // The addresses that a resolver would return.
    let addresses =
        pods.iter().map(|pod| json!({ "endpoint": { "address": socket_address(pod.address()) } }));
    let cluster = &mut bootstrap["static_resources"]["clusters"][0];
    assert_eq!(cluster["type"], "STRICT_DNS");
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = addresses.collect();
    let envoy = file.start_as(&bootstrap).await;
    // Envoy resolves each address separately.
    envoy.wait_for_stat("cluster.app.membership_healthy", |healthy| healthy == 3, SOON).await.unwrap();

    let sessions = fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 60]).await;
    let mut cookies = BTreeMap::new();
    for session in &sessions {
        cookies.insert(session.pod.clone(), session.cookie_pair("GCLB").unwrap().to_owned());
    }
    assert_eq!(cookies.len(), 3, "{:?}", cookies.keys());
    for (pod, cookie) in &cookies {
        let replies = fetch_each(Client::http1, &envoy.url(), with_cookie(cookie, 10)).await;
        assert!(replies.iter().all(|reply| reply.pod == *pod && reply.set_cookies.is_empty()));
    }

    let gone = pods.remove(0);
    let name = gone.name().to_owned();
    gone.stop();
    for (pod, cookie) in &cookies {
        let replies = fetch_each(Client::http1, &envoy.url(), with_cookie(cookie, 5)).await;
        assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
        let answered: BTreeSet<_> = replies.iter().map(|reply| reply.pod.as_str()).collect();
        assert!(!answered.contains(name.as_str()));
        assert!(*pod == name || answered == BTreeSet::from([pod.as_str()]), "{pod}: {answered:?}");
    }
}
