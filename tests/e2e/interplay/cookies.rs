//! Several cookies with one name: the first usable cookie counts.

use harness::client::Client;
use serde_json::{Value, json};

use super::told;
use crate::availability::fleet::{Fleet, session_on};
use crate::endpoints::fleet::keys;
use crate::support::{envoy, generated_cookie, outcome, pods, session};

fn with_backends(names: &[&str]) -> Value {
    json!({
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE" },
        "backends": names,
        "keys": keys(),
        "debugHeader": "x-debug",
    })
}

#[tokio::test]
async fn a_cookie_whose_backend_was_removed_gives_way_to_one_whose_backend_is_there() {
    let pods = pods(4);
    let before = [with_backends(&["neg-demo-0"]), with_backends(&["neg-demo-1"])];
    let after = with_backends(&["neg-demo-2", "neg-demo-3"]);
    let (gone, gone_too, envoy) =
        tokio::join!(envoy(&pods, &before[0]), envoy(&pods, &before[1]), envoy(&pods, &after));
    let ((gone, _), (gone_too, _)) = tokio::join!(session(&gone), session(&gone_too));
    let client = Client::http1();
    for _ in 0..5 {
        let (living, pod) = session(&envoy).await;
        for line in [format!("{gone}; {living}"), format!("{gone}; GCLB=junk; {gone_too}; {living}")] {
            let reply = client.fetch_with_cookie(&envoy.url(), &line).await.unwrap();
            assert_eq!((&*outcome(&reply), &reply.pod), ("pinned", &pod), "{line}");
            assert_eq!(reply.set_cookies, [""; 0]);
        }
    }
    // Their backends are no longer configured: the first of these sessions moves.
    let alone = client.fetch_with_cookie(&envoy.url(), &gone).await.unwrap();
    let both = client.fetch_with_cookie(&envoy.url(), &format!("{gone}; {gone_too}")).await.unwrap();
    assert_eq!((&*outcome(&both), &both.pod), ("repinned", &alone.pod));
}

#[tokio::test]
async fn a_cookie_whose_backend_is_unavailable_gives_way_to_one_whose_backend_is_available() {
    let mut fleet = Fleet::start(3);
    let detection = json!({ "consecutiveLocalOriginFailure": 1 });
    let envoy = fleet.envoy(&json!({ "outlierDetection": detection })).await;
    let [dead, living] = [session_on(&envoy, "app-0").await, session_on(&envoy, "app-1").await];
    let client = Client::http1();
    fleet.down(0);
    let failed = client.fetch_with_cookie(&envoy.url(), &dead).await.unwrap();
    assert_eq!(told(&failed), (503, "pinned".to_owned()));
    for line in [format!("{dead}; {living}"), format!("{living}; {dead}")] {
        let reply = client.fetch_with_cookie(&envoy.url(), &line).await.unwrap();
        assert_eq!((told(&reply), &*reply.pod), ((200, "pinned".to_owned()), "app-1"), "{line}");
        assert_eq!(reply.set_cookies, [""; 0]);
    }
}

/// This many cookies with the length and the first byte of this token that are not tokens.
fn lookalikes(cookie: &str, count: usize) -> String {
    let value = cookie.strip_prefix("GCLB=").unwrap();
    // Two characters of base64 also hold the first byte.
    let (begin, rest) = value.split_at(2);
    let width = rest.len();
    (0..count).map(|index| format!("GCLB={begin}{index:0>width$}; ")).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn sixteen_cookies_that_look_like_tokens_are_tried() {
    let pods = pods(5);
    let mut plugin = generated_cookie(&pods, &json!({}));
    plugin["keys"] = keys();
    let envoy = envoy(&pods, &plugin).await;
    for _ in 0..5 {
        let (cookie, pod) = session(&envoy).await;
        for (before, expected) in [(1, "pinned"), (15, "pinned"), (16, "invalid"), (400, "invalid")] {
            let line = format!("{}{cookie}", lookalikes(&cookie, before));
            for client in [Client::http1(), Client::http2()] {
                let reply = client.fetch_with_cookie(&envoy.url(), &line).await.unwrap();
                assert_eq!(outcome(&reply), expected, "{before} before it");
                assert_eq!(reply.set_cookies.is_empty(), expected == "pinned", "{before} before it");
                assert!(expected == "invalid" || reply.pod == pod);
            }
        }
    }
}

#[tokio::test]
async fn cookies_that_do_not_look_like_tokens_do_not_count() {
    let pods = pods(5);
    let mut plugin = generated_cookie(&pods, &json!({}));
    plugin["keys"] = keys();
    let envoy = envoy(&pods, &plugin).await;
    let (cookie, pod) = session(&envoy).await;
    let value = cookie.strip_prefix("GCLB=").unwrap();
    let (first, rest) = value.split_at(1);
    let other_first = if first == "A" { "B" } else { "A" };
    for junk in [
        "GCLB=x; ".to_owned(),
        "GCLB=; ".to_owned(),
        format!("GCLB={}; ", &value[1..]),
        format!("GCLB={value}x; "),
        format!("GCLB={}; ", "x".repeat(100)),
        // The same length, but another first byte.
        format!("GCLB={other_first}{rest}; "),
    ] {
        for count in [4, 16, 200] {
            let line = format!("{}{cookie}", junk.repeat(count));
            let reply = Client::http1().fetch_with_cookie(&envoy.url(), &line).await.unwrap();
            assert_eq!((&*outcome(&reply), &reply.pod), ("pinned", &pod), "{count} times {junk}");
            assert_eq!(reply.set_cookies, [""; 0]);
        }
    }
}
