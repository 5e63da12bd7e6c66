//! Endpoints that come and go under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use harness::client::Client;
use tokio::task::JoinHandle;

use super::fleet::{Fleet, endpoints, pin_endpoint, route_with_retries, stateful_session};
use crate::ecds::eventually;
use crate::support::pods;
use crate::workers::assert_no_vm_failed;

#[tokio::test]
async fn twenty_updates_that_add_and_remove_other_pods_move_no_session_under_load() {
    let pods = pods(7);
    let (staying, others) = pods.split_at(3);
    let bootstrap = |bootstrap: harness::config::Bootstrap| {
        bootstrap.http_filter(stateful_session(false)).route(route_with_retries())
    };
    let mut fleet = Fleet::start(&endpoints(staying), &pin_endpoint(), bootstrap, |_| {}).await;
    let sessions = fleet.begin(12).await;
    let done = Arc::new(AtomicBool::new(false));
    let answers = Arc::new(AtomicU64::new(0));
    let users: Vec<_> = sessions
        .0
        .iter()
        .cloned()
        .map(|session| {
            let (url, done, answers) = (fleet.envoy.url(), Arc::clone(&done), Arc::clone(&answers));
            tokio::spawn(async move {
                let client = Client::http1();
                while !done.load(Ordering::Relaxed) {
                    let reply = client.fetch_with_cookie(&url, &session.cookie).await.unwrap();
                    assert_eq!((reply.status.as_u16(), &reply.pod), (200, &session.pod));
                    assert_eq!(reply.set_cookie("GCLB"), None);
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // Each update adds one and removes another, in the end nearly all of them.
    for update in 0..20 {
        let mut listed: Vec<_> = endpoints(staying);
        listed.extend(endpoints(others).into_iter().cycle().skip(update).take(update % others.len()));
        listed.rotate_left(update % staying.len());
        let before = answers.load(Ordering::Relaxed);
        fleet.publish(&listed).await;
        let enough =
            || users.iter().any(JoinHandle::is_finished) || answers.load(Ordering::Relaxed) > before + 24;
        eventually("24 requests between two updates", async || enough()).await;
    }
    done.store(true, Ordering::Relaxed);
    for user in users {
        user.await.unwrap();
    }
    sessions.assert_all_stay(&fleet.envoy.url()).await;
    assert_no_vm_failed(&fleet.envoy).await;
}
