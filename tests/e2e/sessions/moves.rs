//! Sessions whose backend is no longer configured or drains. One Envoy has the old list of backends, another Envoy the
//! new list.

use std::time::Duration;

use harness::chi_squared;
use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use serde_json::json;

use super::UNLIKELY;
use crate::support::{envoy, fetch_each, generated_cookie, outcome, pods, session, spread, with_cookie};

/// Begins this many sessions and returns the first replies.
async fn begin(envoy: &Envoy, count: usize) -> Vec<Reply> {
    fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); count]).await
}

/// Sends the cookie of each of these replies.
async fn resume(envoy: &Envoy, sessions: &[Reply]) -> Vec<Reply> {
    let cookie = |reply: &Reply| reply.cookie_pair("GCLB").unwrap().as_bytes().to_vec();
    let requests = sessions.iter().map(|reply| vec![("cookie", cookie(reply))]).collect();
    fetch_each(Client::http1, &envoy.url(), requests).await
}

#[tokio::test]
async fn only_sessions_of_a_removed_backend_move_and_spread_by_weight() {
    let pods = pods(4);
    let mut before = generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 50 }));
    before["backends"] = json!([
        { "cluster": "neg-demo-0", "weight": 10 },
        { "cluster": "neg-demo-1", "weight": 1 },
        { "cluster": "neg-demo-2", "weight": 2 },
        { "cluster": "neg-demo-3", "weight": 3 },
    ]);
    let mut after = before.clone();
    after["backends"].as_array_mut().unwrap().remove(0);
    let (before, after) = tokio::join!(envoy(&pods, &before), envoy(&pods, &after));
    let sessions = begin(&before, 1000).await;
    let resumed = resume(&after, &sessions).await;
    let mut moved = Vec::new();
    for (session, reply) in sessions.iter().zip(&resumed) {
        if session.pod == "neg-demo-0" {
            assert_eq!((&*outcome(reply), reply.set_cookies.len()), ("repinned", 1));
            moved.push(reply.clone());
        } else {
            assert_eq!((&*outcome(reply), &reply.pod), ("pinned", &session.pod));
            assert!(reply.set_cookies.is_empty());
        }
    }
    let counts = spread(&pods, &moved);
    assert!(chi_squared(&counts, &[0.0, 1.0, 2.0, 3.0]) > UNLIKELY, "{counts:?}");
    for (reply, again) in moved.iter().zip(resume(&after, &moved).await) {
        assert_eq!((&*outcome(&again), &again.pod), ("pinned", &reply.pod), "the move is for good");
    }
}

#[tokio::test]
async fn requests_of_one_session_at_the_same_time_move_to_the_same_backend() {
    let pods = pods(10);
    let before = generated_cookie(&pods[..1], &json!({ "affinityCookieTtlSec": 50 }));
    let after = generated_cookie(&pods[1..], &json!({ "affinityCookieTtlSec": 50 }));
    let (before, after, other) =
        tokio::join!(envoy(&pods, &before), envoy(&pods, &after), envoy(&pods, &after));
    for _ in 0..5 {
        let (cookie, _) = session(&before).await;
        // Four requests at once, five times, on new connections: they reach both workers.
        let mut replies = Vec::new();
        for envoy in [&after, &other] {
            for _ in 0..5 {
                replies.extend(fetch_each(Client::http1_fresh, &envoy.url(), with_cookie(&cookie, 4)).await);
            }
        }
        for reply in &replies {
            assert_eq!((&*outcome(reply), &reply.pod), ("repinned", &replies[0].pod));
            let moved = reply.cookie_pair("GCLB").unwrap();
            let again = Client::http1_fresh().fetch_with_cookie(&other.url(), moved).await.unwrap();
            assert_eq!((&*outcome(&again), &again.pod), ("pinned", &replies[0].pod));
        }
    }
}

/// Sessions of two backends that are removed one after the other.
#[tokio::test]
async fn sessions_that_moved_together_part_when_they_move_again() {
    let pods = pods(4);
    let plugins = [&pods[..1], &pods[1..2], &pods[2..]].map(|left| generated_cookie(left, &json!({})));
    let [one, two, three] = &plugins;
    let (one, two, three) = tokio::join!(envoy(&pods, one), envoy(&pods, two), envoy(&pods, three));
    let sessions = begin(&one, 200).await;
    let moved = resume(&two, &sessions).await;
    let moved_again = resume(&three, &moved).await;
    assert!(moved.iter().chain(&moved_again).all(|reply| outcome(reply) == "repinned"));
    let counts = spread(&pods, &moved_again);
    assert!(chi_squared(&counts, &[0.0, 0.0, 1.0, 1.0]) > UNLIKELY, "{counts:?}");
}

#[tokio::test]
async fn a_move_neither_prolongs_a_session_nor_changes_whether_its_cookie_is_secure() {
    let pods = pods(2);
    let [before, after] =
        [0, 1].map(|index| generated_cookie(&pods[index..=index], &json!({ "affinityCookieTtlSec": 50 })));
    let (before, after) = tokio::join!(envoy(&pods, &before), envoy(&pods, &after));
    let with_scheme = async |envoy: &Envoy, scheme: &str, cookie: &str| {
        let headers = [("x-forwarded-proto", scheme.as_bytes()), ("cookie", cookie.as_bytes())];
        Client::http1().fetch(&envoy.url(), &headers).await.unwrap()
    };
    let secure = with_scheme(&before, "https", "a=1").await;
    let insecure = with_scheme(&before, "http", "a=1").await;
    // More than the first second of their lifetime has passed: less than 50 s remain, rounded up.
    tokio::time::sleep(Duration::from_millis(1300)).await;
    for (session, scheme, attributes) in [
        (secure, "http", "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age="),
        (insecure, "https", "Path=/; HttpOnly; SameSite=Lax; Max-Age="),
    ] {
        let reply = with_scheme(&after, scheme, session.cookie_pair("GCLB").unwrap()).await;
        assert_eq!(outcome(&reply), "repinned");
        let (_, said) = reply.set_cookies[0].split_once("; ").unwrap();
        let left: u64 = said.strip_prefix(attributes).unwrap_or_else(|| panic!("{said}")).parse().unwrap();
        assert!((40..50).contains(&left), "{left}");
    }
}

#[tokio::test]
async fn with_reject_a_session_without_its_backend_is_refused_and_kept() {
    let pods = pods(2);
    let before = generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 50 }));
    let mut unsaid = generated_cookie(&pods[1..], &json!({ "affinityCookieTtlSec": 50 }));
    unsaid["onUnavailable"] = json!("REJECT");
    let mut gone = unsaid.clone();
    gone["rejectStatus"] = json!(410);
    let (before, unsaid, gone) =
        tokio::join!(envoy(&pods, &before), envoy(&pods, &unsaid), envoy(&pods, &gone));
    let sessions = begin(&before, 20).await;
    for (after, status) in [(&unsaid, 503), (&gone, 410)] {
        for (session, reply) in sessions.iter().zip(resume(after, &sessions).await) {
            if session.pod == "neg-demo-0" {
                assert_eq!(reply.status.as_u16(), status);
                assert_eq!(reply.header("x-debug").unwrap(), "rejected; service=default");
            } else {
                assert_eq!((&*outcome(&reply), &*reply.pod), ("pinned", "neg-demo-1"));
            }
            assert!(reply.set_cookies.is_empty());
        }
        assert_eq!(outcome(&begin(after, 1).await[0]), "assigned", "whoever has no session gets one");
    }
    let kept = resume(&before, &sessions).await;
    assert!(kept.iter().zip(&sessions).all(|(reply, session)| reply.pod == session.pod), "sessions are kept");
}

#[tokio::test]
async fn a_draining_backend_keeps_its_sessions_and_gets_no_new_one() {
    let pods = pods(3);
    let before = generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 50 }));
    let mut after = before.clone();
    after["backends"][0] = json!({ "cluster": "neg-demo-0", "weight": 0 });
    let (before, after) = tokio::join!(envoy(&pods, &before), envoy(&pods, &after));
    assert_all_stay(&before, &after).await;
    let counts = spread(&pods, &begin(&after, 300).await);
    assert!(chi_squared(&counts, &[0.0, 1.0, 1.0]) > UNLIKELY, "{counts:?}");
}

#[tokio::test]
async fn adding_backends_and_changing_weights_move_no_session() {
    let pods = pods(6);
    let before = generated_cookie(&pods[..3], &json!({ "affinityCookieTtlSec": 50 }));
    let mut after = before.clone();
    let backend = |index| json!({ "cluster": format!("neg-demo-{index}"), "weight": 7 * index });
    after["backends"] = (0..6).rev().map(backend).collect();
    let (before, after) = tokio::join!(envoy(&pods, &before), envoy(&pods, &after));
    assert_all_stay(&before, &after).await;
}

/// Sessions that began at one Envoy continue at the other without a change.
async fn assert_all_stay(before: &Envoy, after: &Envoy) {
    let sessions = begin(before, 60).await;
    for (session, reply) in sessions.iter().zip(resume(after, &sessions).await) {
        assert_eq!((&*outcome(&reply), &reply.pod), ("pinned", &session.pod));
        assert!(reply.set_cookies.is_empty());
    }
}

/// A removed backend's sessions move to a draining backend only if no other is left. A list with a weight above 0
/// always has another one.
#[tokio::test]
async fn no_session_moves_to_a_draining_backend() {
    let pods = pods(3);
    let before = generated_cookie(&pods[..1], &json!({}));
    let mut after = generated_cookie(&pods[1..], &json!({}));
    after["backends"] = json!([{ "cluster": "neg-demo-1", "weight": 0 }, "neg-demo-2"]);
    let (before, after) = tokio::join!(envoy(&pods, &before), envoy(&pods, &after));
    let sessions = begin(&before, 50).await;
    let moved = resume(&after, &sessions).await;
    assert!(moved.iter().all(|reply| (&*outcome(reply), &*reply.pod) == ("repinned", "neg-demo-2")));
}
