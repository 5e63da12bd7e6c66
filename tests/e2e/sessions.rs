//! Sessions by cookie: where they begin, that they stay on their backend, and when they end.

mod backups;
mod candidates;
mod hiding;
mod lives;
mod moves;
mod routes;

use harness::chi_squared;
use harness::client::Client;
use serde_json::json;

use crate::support::{envoy, fetch_each, generated_cookie, outcome, pods, session, spread, with_cookie};

/// A real random spread cannot be seeded. A correct spread fails here once in 10,000 runs. A spread that ignores
/// weights practically always fails.
const UNLIKELY: f64 = 0.0001;

#[tokio::test]
async fn the_first_response_sets_the_cookie_of_a_gke_ingress() {
    let pods = pods(2);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 50 }))).await;
    let reply = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    let [line] = reply.set_cookies.as_slice() else {
        panic!("not one Set-Cookie: {:?}", reply.set_cookies);
    };
    let value = line.strip_prefix("GCLB=").and_then(|rest| rest.split(';').next()).unwrap();
    assert_eq!(*line, format!("GCLB={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=50"));
    assert!((1..=128).contains(&value.len()), "{value}");
    assert!(
        value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'),
        "{value}"
    );
    assert_eq!(outcome(&reply), "assigned");
}

/// `lifetimeType: SESSION` of the Gateway API: only the server ends the session.
#[tokio::test]
async fn a_session_cookie_has_no_max_age_and_its_session_ends_all_the_same() {
    let pods = pods(2);
    let affinity = json!({ "affinityCookieTtlSec": 1, "cookie": { "lifetimeType": "SESSION" } });
    let envoy = envoy(&pods, &generated_cookie(&pods, &affinity)).await;
    let begun = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
    assert!(begun.set_cookies[0].ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{:?}", begun.set_cookies);
    let cookie = begun.cookie_pair("GCLB").unwrap();
    crate::ecds::eventually("the session ends", async || {
        let reply = Client::http1().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
        outcome(&reply) == "expired"
    })
    .await;
}

#[tokio::test]
async fn new_sessions_spread_evenly_over_equal_backends() {
    let pods = pods(3);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 50 }))).await;
    let replies = fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 1000]).await;
    assert!(replies.iter().all(|reply| reply.set_cookies.len() == 1));
    let counts = spread(&pods, &replies);
    assert!(chi_squared(&counts, &[1.0, 1.0, 1.0]) > UNLIKELY, "{counts:?}");
}

#[tokio::test]
async fn new_sessions_spread_by_weight() {
    let pods = pods(3);
    let mut plugin = generated_cookie(&pods, &json!({}));
    plugin["backends"] = json!([
        { "cluster": "neg-demo-0", "weight": 1 },
        { "cluster": "neg-demo-1", "weight": 2 },
        { "cluster": "neg-demo-2", "weight": 7 },
    ]);
    let envoy = envoy(&pods, &plugin).await;
    let replies = fetch_each(Client::http1, &envoy.url(), vec![Vec::new(); 1000]).await;
    let counts = spread(&pods, &replies);
    assert!(chi_squared(&counts, &[1.0, 2.0, 7.0]) > UNLIKELY, "{counts:?}");
}

#[tokio::test]
async fn a_client_that_sends_the_cookie_stays_on_its_pod() {
    let pods = pods(3);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 50 }))).await;
    let (cookie, pod) = session(&envoy).await;
    for client in [Client::http1_fresh, Client::http1, Client::http2] {
        let replies = fetch_each(client, &envoy.url(), with_cookie(&cookie, 1000)).await;
        assert!(replies.iter().all(|reply| reply.pod == pod));
        assert!(replies.iter().all(|reply| reply.set_cookies.is_empty()));
        assert!(replies.iter().all(|reply| outcome(reply) == "pinned"));
    }
}

/// The default behaviour of a browser: it stores the cookie and sends it back.
#[tokio::test]
async fn a_browser_stays_on_its_pod() {
    let pods = pods(3);
    let envoy = envoy(&pods, &generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 50 }))).await;
    for _ in 0..5 {
        let browser = Client::jar();
        let first = browser.fetch(&envoy.url(), &[]).await.unwrap();
        for path in ["/", "/shop/cart?item=1", "/drop/../x"] {
            let again = browser.fetch(&format!("{}{path}", envoy.url()), &[]).await.unwrap();
            assert_eq!((again.pod, again.set_cookies.len()), (first.pod.clone(), 0));
        }
    }
}

#[tokio::test]
async fn requests_outside_the_path_of_the_cookie_have_no_session_and_get_none() {
    let pods = pods(2);
    let cookie = json!({ "cookie": { "path": "/shop" } });
    let envoy = envoy(&pods, &generated_cookie(&pods, &cookie)).await;
    let client = Client::http1();
    let first = client.fetch(&format!("{}/shop", envoy.url()), &[]).await.unwrap();
    assert_eq!(outcome(&first), "assigned");
    let cookie = first.cookie_pair("GCLB").unwrap();
    assert!(first.set_cookies[0].contains("; Path=/shop;"), "{:?}", first.set_cookies);
    for path in ["/shop", "/shop/", "/shop/cart", "/shop?x", "/shop/?x=/"] {
        let inside = client.fetch_with_cookie(&format!("{}{path}", envoy.url()), cookie).await.unwrap();
        assert_eq!((&*outcome(&inside), &inside.pod), ("pinned", &first.pod), "{path}");
    }
    for path in ["/", "/shopping", "/sho", "/Shop", "/x/shop", "/?/shop", "/shop%2Fcart"] {
        let url = format!("{}{path}", envoy.url());
        let replies = fetch_each(Client::http1, &url, with_cookie(cookie, 30)).await;
        assert!(replies.iter().all(|reply| outcome(reply) == "none"), "{path}");
        assert!(replies.iter().all(|reply| reply.set_cookies.is_empty()), "{path}");
        // By weight: the chance of all 30 requests on the session's backend is 1 in 2^30.
        assert!(replies.iter().any(|reply| reply.pod != first.pod), "{path}");
    }
}
