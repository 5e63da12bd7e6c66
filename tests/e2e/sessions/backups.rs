//! `backup: true`: backends that serve only when no other backend is available.

use std::collections::BTreeSet;

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::json;

use crate::availability::fleet::{Fleet, SECOND};
use crate::ecds::eventually;
use crate::support::outcome;

async fn new_sessions(envoy: &Envoy) -> BTreeSet<String> {
    let mut pods = BTreeSet::new();
    for _ in 0..40 {
        let reply = Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
        if reply.status == 200 {
            pods.insert(reply.pod);
        }
    }
    pods
}

#[tokio::test]
async fn a_backup_gets_sessions_only_while_no_other_backend_is_available_and_keeps_them() {
    let mut fleet = Fleet::start(3);
    let backends = json!(["app-0", "app-1", { "cluster": "app-2", "backup": true }]);
    let detection = json!({ "consecutiveLocalOriginFailure": 1, "baseEjectionTimeSec": 3 });
    let envoy = fleet.envoy(&json!({ "backends": backends, "outlierDetection": detection })).await;
    let others: BTreeSet<String> = ["app-0", "app-1"].map(str::to_owned).into();
    assert_eq!(new_sessions(&envoy).await, others);

    fleet.down(0);
    new_sessions(&envoy).await;
    envoy.wait_for_log("app-0 ejected", SECOND * 5).await.unwrap();
    fleet.down(1);
    let only_backup = async || new_sessions(&envoy).await == ["app-2".to_owned()].into();
    eventually("the backup takes over", only_backup).await;
    let kept = Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
    assert_eq!(kept.pod, "app-2");
    let cookie = kept.cookie_pair("GCLB").unwrap();

    fleet.up(0);
    fleet.up(1);
    eventually("the others are back", async || new_sessions(&envoy).await == others).await;
    let stays = Client::http1_fresh().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
    assert_eq!((&*outcome(&stays), &*stays.pod), ("pinned", "app-2"));
}
