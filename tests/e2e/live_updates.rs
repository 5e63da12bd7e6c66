//! Configuration that changes under load.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use harness::client::{self, Client, Reply};
use harness::pod::Pod;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::ecds::{DISCOVERY, Live, SOON, eventually};
use crate::support::{bootstrap, names, pods};
use crate::workers::assert_no_vm_failed;

/// A session: its cookie, and the pod on which it began.
struct Session {
    cookie: String,
    pod: String,
}

impl Session {
    /// One request on a new connection, which any worker may accept.
    async fn fetch(&self, live: &Live) -> Reply {
        Client::http1_fresh().fetch_with_cookie(&live.envoy.url(), &self.cookie).await.unwrap()
    }

    /// Four requests at the same time, on four connections.
    async fn fetch_four(&self, live: &Live) -> [Reply; 4] {
        let (a, b, c, d) =
            tokio::join!(self.fetch(live), self.fetch(live), self.fetch(live), self.fetch(live));
        [a, b, c, d]
    }
}

/// Begins sessions until each of these pods has this many.
async fn sessions_on_each(live: &Live, pods: &[&str], count: usize) -> Vec<Session> {
    let client = Client::http1();
    let mut on: BTreeMap<&str, Vec<Session>> = pods.iter().map(|pod| (*pod, Vec::new())).collect();
    while on.values().any(|sessions| sessions.len() < count) {
        let reply = client.fetch(&live.envoy.url(), &[]).await.unwrap();
        let cookie = reply.cookie_pair("GCLB").unwrap().to_owned();
        if let Some(sessions) = on.get_mut(reply.pod.as_str()).filter(|sessions| sessions.len() < count) {
            sessions.push(Session { cookie, pod: reply.pod });
        }
    }
    on.into_values().flatten().collect()
}

async fn assert_none_moves(live: &Live, sessions: &[Session]) {
    for session in sessions {
        let reply = session.fetch(live).await;
        assert_eq!(reply.pod, session.pod);
        assert_eq!(reply.set_cookie("GCLB"), None, "nothing has changed for this session");
    }
}

/// Every session that is `gone` moves. All of its parallel requests move to the same other pod. The other sessions
/// stay.
async fn assert_only_those_move(live: &Live, sessions: &mut [Session], gone: &str) {
    let mut moved_to = BTreeSet::new();
    for session in sessions {
        if session.pod == gone {
            let [first, others @ ..] = session.fetch_four(live).await;
            assert_eq!(first.status, 200);
            assert_ne!(first.pod, gone);
            for other in others {
                assert_eq!(other.pod, first.pod, "requests of one session at the same time");
            }
            first.cookie_pair("GCLB").unwrap().clone_into(&mut session.cookie);
            session.pod = first.pod;
            moved_to.insert(session.pod.clone());
        }
        let stays = session.fetch(live).await;
        assert_eq!(stays.pod, session.pod);
        assert_eq!(stays.set_cookie("GCLB"), None);
    }
    assert!(moved_to.len() > 1, "all {gone} had went to {moved_to:?}");
}

/// Generated cookies over these backends, with or without keys.
fn cookies(backends: &Value, keys: bool) -> Value {
    let mut plugin =
        json!({ "sessionAffinity": { "affinityType": "GENERATED_COOKIE" }, "backends": backends });
    if keys {
        plugin["keys"] = json!([{ "id": "k1", "secret": "c2Vzc2lvbi1hZmZpbml0eS1lbmQtdG8tZW5kLXRlc3Q=" }]);
    }
    plugin
}

/// The list without the backend at `index`.
fn without(backends: &Value, index: usize) -> Value {
    let mut backends = backends.clone();
    backends.as_array_mut().unwrap().remove(index);
    backends
}

/// Twelve sessions on each pod are enough. All sessions of one pod move to the same one of three other pods by chance
/// once in 170,000 runs.
async fn removing_each_in_turn(keys: bool) {
    let pods = pods(4);
    let all = names(&pods);
    let mut live = Live::start(bootstrap(&pods), &cookies(&all, keys)).await;
    for gone in [0, 1, 3] {
        let every: Vec<&str> = pods.iter().map(Pod::name).collect();
        let mut sessions = sessions_on_each(&live, &every, 12).await;
        live.update(&cookies(&without(&all, gone), keys)).await;
        assert_only_those_move(&live, &mut sessions, pods[gone].name()).await;
        live.update(&cookies(&all, keys)).await;
        assert_none_moves(&live, &sessions).await;
    }
    assert_no_vm_failed(&live.envoy).await;
}

#[tokio::test]
async fn removing_the_first_a_middle_or_the_last_backend_moves_only_its_sessions_without_keys() {
    removing_each_in_turn(false).await;
}

#[tokio::test]
async fn removing_the_first_a_middle_or_the_last_backend_moves_only_its_sessions_with_keys() {
    removing_each_in_turn(true).await;
}

#[tokio::test]
async fn adding_backends_or_shuffling_the_list_moves_no_session() {
    let pods = pods(6);
    let all = names(&pods);
    let list = |order: &[usize]| -> Value { order.iter().map(|index| all[*index].clone()).collect() };
    let began = [1, 2, 3, 4].map(|index| pods[index].name());
    for keys in [false, true] {
        let mut live = Live::start(bootstrap(&pods), &cookies(&list(&[1, 2, 3, 4]), keys)).await;
        let sessions = sessions_on_each(&live, &began, 8).await;
        for backends in [
            list(&[4, 3, 2, 1]),
            list(&[2, 4, 1, 3]),
            list(&[0, 1, 2, 3, 4]),
            list(&[0, 1, 2, 5, 3, 4]),
            json!([{ "cluster": all[4], "weight": 7 }, all[5], all[0], all[3], { "cluster": all[2], "weight": 0 }, all[1]]),
        ] {
            live.update(&cookies(&backends, keys)).await;
            assert_none_moves(&live, &sessions).await;
        }
        // The new backend is not only configured, but also gets sessions.
        sessions_on_each(&live, &[pods[0].name(), pods[5].name()], 1).await;
    }
}

#[tokio::test]
async fn backends_that_change_under_clients_without_cookies_move_no_client_that_need_not_move() {
    let pods = pods(5);
    let all = names(&pods);
    let by_address = |backends: &Value| json!({ "sessionAffinity": { "affinityType": "CLIENT_IP" }, "backends": backends });
    let trusting = bootstrap(&pods).hcm(|manager| {
        manager["use_remote_address"] = json!(true);
        manager["xff_num_trusted_hops"] = json!(1);
    });
    let mut live = Live::start(trusting, &by_address(&without(&all, 4))).await;
    let before = pods_of_addresses(&live).await;
    live.update(&by_address(&json!([pods[2].name(), pods[0].name(), pods[3].name(), pods[1].name()]))).await;
    assert_eq!(pods_of_addresses(&live).await, before);

    live.update(&by_address(&all)).await;
    let added = pods_of_addresses(&live).await;
    let moved = moves(&before, &added);
    assert!(!moved.is_empty());
    assert!(moved.iter().all(|(_, to)| to == pods[4].name()), "{moved:?}");

    live.update(&by_address(&without(&all, 2))).await;
    let moved = moves(&added, &pods_of_addresses(&live).await);
    assert!(moved.iter().all(|(from, _)| from == pods[2].name()), "{moved:?}");
    assert_eq!(moved.len(), added.iter().filter(|pod| *pod == pods[2].name()).count());
}

/// The pod of each of a hundred client addresses.
async fn pods_of_addresses(live: &Live) -> Vec<String> {
    let client = Client::http1();
    let mut pods = Vec::new();
    for host in 0..100 {
        let address = format!("192.0.2.{host}");
        let headers = [("x-forwarded-for", address.as_bytes())];
        pods.push(client.fetch(&live.envoy.url(), &headers).await.unwrap().pod);
    }
    pods
}

fn moves(before: &[String], after: &[String]) -> Vec<(String, String)> {
    before.iter().cloned().zip(after.iter().cloned()).filter(|(from, to)| from != to).collect()
}

#[tokio::test]
async fn a_bad_update_is_refused_and_the_old_configuration_serves_on() {
    let pods = pods(3);
    let plugin = cookies(&names(&pods), true);
    let mut live = Live::start(bootstrap(&pods), &plugin).await;
    let sessions = sessions_on_each(&live, &[pods[0].name(), pods[1].name(), pods[2].name()], 4).await;
    let text = |value: &Value| json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": value.to_string() });
    let yaml =
        |value: &Value| json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": value });
    let misspelt = json!({ "sessionAffinity": { "affinitytype": "NONE" }, "backends": ["neg-demo-0"] });
    let nobody = json!({ "sessionAffinity": { "affinityType": "GENERATED_COOKIE" }, "backends": [] });
    for (bad, path) in [
        (text(&misspelt), "sessionAffinity.affinitytype"),
        (yaml(&misspelt), "sessionAffinity.affinitytype"),
        (text(&nobody), "backends"),
        (json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": "{" }), "(root)"),
        (Value::Null, "(root)"),
    ] {
        let logged = live.envoy.log().len();
        live.expect_refusal(&bad).await;
        let log = live.envoy.log();
        let error = log[logged..].lines().find(|line| line.contains("config error at "));
        let error = error.unwrap_or_else(|| panic!("{bad} was refused without a word"));
        assert!(error.contains(&format!("config error at {path}: ")), "{error}");
        assert_none_moves(&live, &sessions).await;
    }

    // Envoy does not pass an unreadable file to the filter.
    live.write_file("resources: [");
    let failures = format!("{DISCOVERY}.update_failure");
    live.envoy.wait_for_stat(&failures, |count| count == 1, SOON).await.unwrap();
    assert!(live.serves_last_update().await);
    assert_none_moves(&live, &sessions).await;

    live.update(&plugin).await;
    assert_none_moves(&live, &sessions).await;
    assert_no_vm_failed(&live.envoy).await;
}

#[tokio::test]
async fn each_update_is_logged_once_and_so_is_a_rollback() {
    let pods = pods(2);
    let named = |name: &str| {
        let mut plugin = cookies(&names(&pods), true);
        plugin["name"] = json!(name);
        plugin
    };
    let mut live = Live::start(bootstrap(&pods), &named("old")).await;
    live.update(&named("new")).await;
    live.roll_back(&named("old")).await;
    live.update(&named("new")).await;
    let log = live.envoy.log();
    let name = |line: &str| {
        line.split_once(" configured: service ")?.1.split_once(':').map(|(name, _)| name.to_owned())
    };
    assert_eq!(log.lines().filter_map(name).collect::<Vec<_>>(), ["old", "new", "old", "new"]);
}

#[tokio::test]
async fn a_websocket_stays_open_across_twenty_updates_even_without_its_backend() {
    let pods = pods(3);
    let all = names(&pods);
    let mut live = Live::start(bootstrap(&pods), &cookies(&all, false)).await;
    let url = format!("{}/ws", live.envoy.url());
    let (_, mut socket) = client::websocket(&url, &[]).await.unwrap();
    let name = socket.next().await.unwrap().unwrap().into_text().unwrap().to_string();
    let own = pods.iter().position(|pod| pod.name() == name).unwrap();
    for update in 0..20 {
        let backends = if update % 2 == 0 { without(&all, own) } else { all.clone() };
        live.update(&cookies(&backends, false)).await;
        socket.send(format!("{update}").into()).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(answer.to_text().unwrap(), format!("{name}: {update}"));
    }
}

#[tokio::test]
async fn no_request_fails_or_leaves_its_pod_while_updates_come() {
    let pods = pods(4);
    let all = names(&pods);
    let [a, b] = [0, 1].map(|index| pods[index].name());
    let mut live = Live::start(bootstrap(&pods), &cookies(&all, true)).await;
    let sessions = sessions_on_each(&live, &[a, b], 2).await;
    let done = Arc::new(AtomicBool::new(false));
    let answers = Arc::new(AtomicU64::new(0));
    let users: Vec<_> = sessions
        .into_iter()
        .map(|session| {
            let (url, done, answers) = (live.envoy.url(), Arc::clone(&done), Arc::clone(&answers));
            tokio::spawn(async move {
                let client = Client::http1();
                while !done.load(Ordering::Relaxed) {
                    let reply = client.fetch_with_cookie(&url, &session.cookie).await.unwrap();
                    assert_eq!((reply.status.as_u16(), &reply.pod), (200, &session.pod));
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for update in 0..20 {
        let before = answers.load(Ordering::Relaxed);
        let backends = if update % 2 == 0 { json!([b, a]) } else { all.clone() };
        live.update(&cookies(&backends, true)).await;
        let enough =
            || users.iter().any(JoinHandle::is_finished) || answers.load(Ordering::Relaxed) > before + 8;
        eventually("eight requests between two updates", async || enough()).await;
    }
    done.store(true, Ordering::Relaxed);
    for user in users {
        user.await.unwrap();
    }
    assert_no_vm_failed(&live.envoy).await;
}
