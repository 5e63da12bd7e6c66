//! `GENERATED_HEADER`: the token in a header, for clients without cookies.

use std::time::Duration;

use harness::client::{Client, Reply};
use harness::config::stateful_session;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::ecds::eventually;
use crate::endpoints::fleet::{Fleet, endpoints, keys, route_with_retries};
use crate::support::{bootstrap, envoy, fetch_each, names, outcome, pods};

fn plugin(backends: &Value, affinity: &Value) -> Value {
    let mut all = json!({ "affinityType": "GENERATED_HEADER", "header": { "name": "X-Session" } });
    all.as_object_mut().unwrap().extend(affinity.as_object().unwrap().clone());
    json!({ "sessionAffinity": all, "backends": backends, "debugHeader": "x-debug", "keys": keys() })
}

async fn fetch(envoy: &Envoy, lines: &[&str]) -> Reply {
    let headers: Vec<_> = lines.iter().map(|line| ("x-session", line.as_bytes())).collect();
    let reply = Client::http1_fresh().fetch(&envoy.url(), &headers).await.unwrap();
    assert_eq!(reply.set_cookies, [""; 0]);
    reply
}

fn token(reply: &Reply) -> String {
    reply.header("x-session").expect("the client is told")
}

#[tokio::test]
async fn the_first_response_carries_the_header_and_a_client_that_sends_it_back_stays() {
    let pods = pods(4);
    let envoy = envoy(&pods, &plugin(&names(&pods), &json!({ "affinityCookieTtlSec": 50 }))).await;
    let first = fetch(&envoy, &[]).await;
    let good = token(&first);
    assert!((1..=128).contains(&good.len()), "{good}");
    assert!(good.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{good}");
    assert_eq!((&*outcome(&first), first.header("cache-control").as_deref()), ("assigned", Some("private")));
    let request = vec![("x-session", good.clone().into_bytes())];
    for client in [Client::http1_fresh, Client::http1, Client::http2] {
        for again in fetch_each(client, &envoy.url(), vec![request.clone(); 40]).await {
            assert_eq!(
                (&again.pod, &*outcome(&again), again.header("x-session")),
                (&first.pod, "pinned", None)
            );
        }
    }
    // Several lines, or several values in one line: the first valid value counts.
    let in_one = format!("x, y ,,{good}");
    for (lines, expected) in [
        (vec!["x", "", &good], "pinned"),
        (vec![in_one.as_str()], "pinned"),
        (vec![&good, "x"], "pinned"),
        (vec!["1", "2", "3", "4", &good], "pinned"),
        (vec![&good[1..]], "invalid"),
        (vec![""], "assigned"),
    ] {
        let reply = fetch(&envoy, &lines).await;
        assert_eq!(
            (reply.header("x-session").is_none(), &*outcome(&reply)),
            (expected == "pinned", expected),
            "{lines:?}"
        );
    }
    // The token is not valid in a cookie.
    let reply = Client::http1()
        .fetch_with_cookie(&envoy.url(), &format!("x-session={good}; GCLB={good}"))
        .await
        .unwrap();
    assert_eq!(outcome(&reply), "assigned");
}

#[tokio::test]
async fn a_session_in_a_header_expires_is_renewed_and_moves() {
    let pods = pods(3);
    let lives = json!({ "idleTimeoutSec": 8 });
    let (before, after) = (plugin(&names(&pods[..1]), &lives), plugin(&names(&pods[1..]), &lives));
    let mut reject = after.clone();
    reject["onUnavailable"] = json!("REJECT");
    reject["rejectStatus"] = json!(410);
    let (before, after, reject) =
        tokio::join!(envoy(&pods, &before), envoy(&pods, &after), envoy(&pods, &reject));
    let first = token(&fetch(&before, &[]).await);
    let rejected = fetch(&reject, &[&first]).await;
    assert_eq!(
        (rejected.status.as_u16(), &*outcome(&rejected), rejected.header("x-session")),
        (410, "rejected", None)
    );
    let moved = fetch(&after, &[&first]).await;
    assert_eq!(outcome(&moved), "repinned");
    let again = fetch(&after, &[&token(&moved)]).await;
    assert_eq!((&again.pod, &*outcome(&again)), (&moved.pod, "pinned"));
    // Half of the idle timeout: more than the quarter after which the filter renews the token, and far from the end.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let renewed = fetch(&after, &[&token(&moved)]).await;
    assert_eq!((&renewed.pod, &*outcome(&renewed)), (&moved.pod, "pinned"));
    let (old, renewed) = (token(&moved), token(&renewed));
    tokio::time::sleep(Duration::from_secs(3)).await;
    eventually("the token that was used last at the move expires", async || {
        outcome(&fetch(&after, &[&old]).await) == "expired"
    })
    .await;
    assert_eq!(outcome(&fetch(&after, &[&renewed]).await), "pinned");
}

#[tokio::test]
async fn the_applications_own_word_in_the_header_stands() {
    let pods = [Pod::obedient("neg-demo-0").unwrap()];
    let envoy = envoy(&pods, &plugin(&names(&pods), &json!({}))).await;
    let says = b"X-Session: mine".as_slice();
    let reply = Client::http1().fetch(&envoy.url(), &[("x-answer-header", says)]).await.unwrap();
    assert_eq!(reply.headers.get_all("x-session").iter().collect::<Vec<_>>(), ["mine"]);
    // Envoy's own reply carries no token if the backend was never reached.
    let gone = bootstrap(&pods).filter(&plugin(&json!(["gone"]), &json!({}))).build();
    let gone = Envoy::start(&gone).await.unwrap();
    let reply = fetch(&gone, &[]).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-session")), (503, None));
}

#[tokio::test]
async fn a_header_pins_endpoints_too() {
    let mut pods = pods(4);
    let mut plugin = plugin(&json!([]), &json!({}));
    plugin.as_object_mut().unwrap().remove("backends");
    plugin["pin"] = json!("ENDPOINT");
    let with_retries = |bootstrap: harness::config::Bootstrap| {
        bootstrap.http_filter(stateful_session(false)).route(route_with_retries())
    };
    let fleet = Fleet::start(&endpoints(&pods), &plugin, with_retries, |_| {}).await;
    let first = fetch(&fleet.envoy, &[]).await;
    let sticks = async |reply: &Reply| {
        for _ in 0..10 {
            let again = fetch(&fleet.envoy, &[&token(reply)]).await;
            assert_eq!(
                (&again.pod, &*outcome(&again), again.header("x-session")),
                (&reply.pod, "pinned", None)
            );
        }
    };
    sticks(&first).await;
    pods.retain(|pod| pod.name() != first.pod);
    let moved = fetch(&fleet.envoy, &[&token(&first)]).await;
    assert_eq!((moved.status.as_u16(), &*outcome(&moved)), (200, "repinned"));
    sticks(&moved).await;
}
