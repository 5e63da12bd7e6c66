//! `HTTP_COOKIE` with a TTL: the filter generates the cookie if a client has none, as Google Cloud does.

use harness::client::Client;
use serde_json::{Value, json};

use crate::support::{envoy, fetch_each, names, outcome, pods, spread, with_cookie};

fn plugin(cookie: &Value, backends: &Value) -> Value {
    let affinity = json!({ "affinityType": "HTTP_COOKIE", "affinityCookieTtlSec": 50, "cookie": cookie });
    json!({ "sessionAffinity": affinity, "backends": backends, "debugHeader": "x-debug" })
}

#[tokio::test]
async fn a_missing_cookie_is_made_and_from_then_on_decides() {
    let pods = pods(4);
    let plugin = plugin(&json!({ "name": "user" }), &names(&pods));
    let (one, other) = tokio::join!(envoy(&pods, &plugin), envoy(&pods, &plugin));
    let begun = fetch_each(Client::http1, &one.url(), vec![Vec::new(); 40]).await;
    for reply in &begun {
        let [line] = reply.set_cookies.as_slice() else {
            panic!("not one Set-Cookie: {:?}", reply.set_cookies);
        };
        let value = line.strip_prefix("user=").and_then(|rest| rest.split(';').next()).unwrap();
        assert_eq!(*line, format!("user={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=50"));
        assert_eq!((&*outcome(reply), value.len()), ("assigned", 16));
        assert_eq!(reply.header("cache-control").as_deref(), Some("private"));
    }
    assert!(spread(&pods, &begun).iter().filter(|count| **count > 0).count() > 1);
    let requests: Vec<_> = begun
        .iter()
        .map(|reply| vec![("cookie", reply.cookie_pair("user").unwrap().as_bytes().to_vec())])
        .collect();
    for envoy in [&one, &other] {
        for (first, again) in
            begun.iter().zip(fetch_each(Client::http1, &envoy.url(), requests.clone()).await)
        {
            assert_eq!((&again.pod, &*outcome(&again), again.set_cookies.len()), (&first.pod, "hashed", 0));
        }
    }
}

#[tokio::test]
async fn no_cookie_is_made_where_there_is_one_or_outside_its_path_or_against_the_applications_word() {
    let pods: Vec<_> =
        (0..2).map(|index| harness::pod::Pod::obedient(&format!("neg-demo-{index}")).unwrap()).collect();
    let cookie = json!({ "name": "user", "path": "/shop", "secure": "ALWAYS", "sameSite": "NONE" });
    let (here, gone) = (plugin(&cookie, &names(&pods)), plugin(&cookie, &json!(["gone"])));
    let (envoy, gone) = tokio::join!(envoy(&pods, &here), envoy(&pods, &gone));
    let client = Client::http1();
    let shop = format!("{}/shop/cart?x", envoy.url());
    for own in ["user=alice", "user=\"\"; user=bob", "a=1; user=alice; b=2"] {
        let replies = fetch_each(Client::http1, &envoy.url(), with_cookie(own, 5)).await;
        assert!(replies.iter().all(|reply| reply.set_cookies.is_empty()), "{own}");
        let within = fetch_each(Client::http1, &shop, with_cookie(own, 5)).await;
        assert!(
            within.iter().all(|reply| reply.set_cookies.is_empty() && reply.pod == replies[0].pod),
            "{own}"
        );
    }
    let outside = client.fetch(&format!("{}/shopping", envoy.url()), &[]).await.unwrap();
    assert_eq!((&*outcome(&outside), outside.set_cookies.len()), ("none", 0));
    let within = client.fetch(&shop, &[]).await.unwrap();
    assert!(within.set_cookies[0].ends_with("; Path=/shop; Secure; HttpOnly; SameSite=None; Max-Age=50"));
    let says = b"set-cookie: user=mine; Path=/".as_slice();
    let answered = client.fetch(&shop, &[("x-answer-header", says)]).await.unwrap();
    assert_eq!(answered.set_cookies, ["user=mine; Path=/"]);
    // Envoy's own reply for a backend that was never reached.
    let unreached = client.fetch(&format!("{}/shop", gone.url()), &[]).await.unwrap();
    assert_eq!((unreached.status.as_u16(), unreached.set_cookies.len()), (503, 0));
}
