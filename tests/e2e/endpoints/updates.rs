//! Endpoints that are added and removed under load.

use harness::client::Client;
use harness::config::{Bootstrap, stateful_session};
use harness::pod::Pod;
use serde_json::Value;

use super::fleet::{Fleet, endpoints, pin_endpoint, route_with_retries};
use super::users::Users;
use crate::availability::load::alone;
use crate::support::{fetch_each, pods};
use crate::workers::assert_no_vm_failed;

/// The staying pods and two of the others. Each update adds one of the others and removes one.
fn listed(staying: &[Pod], others: &[Pod], update: usize) -> Vec<Value> {
    let mut listed = endpoints(staying);
    listed.extend(endpoints(others).into_iter().cycle().skip(update).take(2));
    // The order of the endpoints does not matter either.
    listed.rotate_left(update % staying.len());
    listed
}

#[tokio::test]
async fn twenty_updates_that_add_and_remove_other_pods_move_no_session_under_load() {
    let _alone = alone().await;
    let pods = pods(7);
    let (staying, others) = pods.split_at(3);
    let bootstrap =
        |bootstrap: Bootstrap| bootstrap.http_filter(stateful_session(false)).route(route_with_retries());
    let mut fleet = Fleet::start(&endpoints(staying), &pin_endpoint(), bootstrap, |_| {}).await;
    let url = fleet.envoy.url();
    let sessions = fleet.begin(12).await;
    fleet.publish(&listed(staying, others, 0)).await;
    let users = Users::begin(&url, &sessions);
    for update in 1..=20 {
        users.go_on_for(5).await;
        // New sessions may begin on a pod that the next update removes.
        let begun = fetch_each(Client::http1, &url, vec![Vec::new(); 12]).await;
        assert!(begun.iter().all(|reply| reply.status == 200), "{begun:?}");
        let (before, after) = (listed(staying, others, update - 1), listed(staying, others, update));
        let count_in =
            |one: &[Value], other: &[Value]| one.iter().filter(|item| !other.contains(item)).count();
        assert_eq!((count_in(&after, &before), count_in(&before, &after)), (1, 1), "added and removed");
        fleet.publish(&after).await;
    }
    users.go_on_for(5).await;
    let sessions = users.end_where_they_began().await;
    sessions.assert_all_stay(&url).await;
    // The other pods did receive requests.
    assert!(others.iter().all(|pod| !pod.requests().is_empty()));
    assert_no_vm_failed(&fleet.envoy).await;
}
