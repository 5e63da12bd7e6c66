//! Tokens: which filters accept them, and what makes them invalid.

mod secrecy;
mod tampering;

use harness::client::Client;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::support::{bootstrap, envoy, fetch_each, generated_cookie, outcome, pods};

/// Three secrets of 32 bytes each.
const SECRETS: [&str; 3] = [
    "NAanJhIhSejZr8NopGETXYLRPRfcIxzpwW3q0RTy5dI=",
    "6XeIPKVEboogj+mr/CqlCEmaPPlqmPdUKkHTEW9edbE=",
    "iTm9PeqWXQ5yD9C7cQxYwYlNTCdKIUeKPDZlyiSPmZo=",
];

/// Generated cookies over all pods, with these keys.
fn with_keys(pods: &[Pod], keys: &Value) -> Value {
    let mut plugin = generated_cookie(pods, &json!({ "affinityCookieTtlSec": 50 }));
    plugin["keys"] = keys.clone();
    plugin
}

/// One key.
fn key(id: &str, secret: &str) -> Value {
    json!({ "id": id, "secret": secret })
}

/// Begins sessions at `one`, and sends their requests to `other`.
async fn assert_sessions_go_on(one: &Envoy, other: &Envoy, what: &str) {
    let sessions = fetch_each(Client::http1, &one.url(), vec![Vec::new(); 20]).await;
    let cookies = sessions.iter().map(|reply| reply.cookie_pair("GCLB").unwrap().as_bytes().to_vec());
    let requests = cookies.map(|cookie| vec![("cookie", cookie)]).collect();
    for (session, reply) in sessions.iter().zip(fetch_each(Client::http1, &other.url(), requests).await) {
        assert_eq!((&*outcome(&reply), &reply.pod), ("pinned", &session.pod), "{what}");
        assert!(reply.set_cookies.is_empty(), "{what}");
    }
}

/// The token that begins a session at this URL. Checks that the token is valid there.
async fn token_of(url: &str, cookie: &str) -> String {
    let first = Client::http1().fetch(url, &[]).await.unwrap();
    let pair = first.cookie_pair(cookie).unwrap();
    let again = Client::http1().fetch_with_cookie(url, pair).await.unwrap();
    assert_eq!((&*outcome(&again), &again.pod), ("pinned", &first.pod));
    pair.split_once('=').unwrap().1.to_owned()
}

/// This token begins a new session, without an error.
async fn assert_worthless(envoy: &Envoy, token: &str, what: &str) {
    let cookie = format!("GCLB={token}");
    let reply = Client::http1().fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
    assert_eq!((reply.status.as_u16(), &*outcome(&reply)), (200, "invalid"), "{what}");
    assert!(reply.cookie_pair("GCLB").is_some_and(|new| new != cookie), "{what}");
}

/// The id is a label for people: only the secret matters to the token.
#[tokio::test]
async fn a_key_under_another_id_serves_the_same_sessions() {
    let pods = pods(3);
    let (one, other) =
        (with_keys(&pods, &json!([key("a", SECRETS[0])])), with_keys(&pods, &json!([key("b", SECRETS[0])])));
    let (one, other) = tokio::join!(envoy(&pods, &one), envoy(&pods, &other));
    assert_sessions_go_on(&one, &other, "under another id").await;
}

#[tokio::test]
async fn envoys_with_the_same_keys_serve_each_others_sessions_and_restarts_keep_them() {
    let pods = pods(3);
    let plugin = with_keys(&pods, &json!([key("a", SECRETS[0])]));
    let (one, other) = tokio::join!(envoy(&pods, &plugin), envoy(&pods, &plugin));
    assert_sessions_go_on(&one, &other, "to the other").await;
    assert_sessions_go_on(&other, &one, "and back").await;
    let session = Client::http1().fetch(&one.url(), &[]).await.unwrap();
    one.stop().await.unwrap();
    let restarted = envoy(&pods, &plugin).await;
    let cookie = session.cookie_pair("GCLB").unwrap();
    for envoy in [&restarted, &other] {
        let again = Client::http1().fetch_with_cookie(&envoy.url(), cookie).await.unwrap();
        assert_eq!((&*outcome(&again), again.pod), ("pinned", session.pod.clone()));
    }
}

/// The new key is added as the second key everywhere, then made the first, then the old key is removed. In each step
/// some Envoys are ahead of others.
#[tokio::test]
async fn a_rotation_of_keys_keeps_every_session_whichever_envoy_is_ahead() {
    let pods = pods(3);
    let (old, new) = (key("old", SECRETS[0]), key("new", SECRETS[1]));
    let steps = [json!([old]), json!([old, new]), json!([new, old]), json!([new])];
    let plugins = steps.each_ref().map(|keys| with_keys(&pods, keys));
    let [p0, p1, p2, p3] = &plugins;
    let envoys = tokio::join!(envoy(&pods, p0), envoy(&pods, p1), envoy(&pods, p2), envoy(&pods, p3));
    let envoys = [envoys.0, envoys.1, envoys.2, envoys.3];
    for (index, pair) in envoys.windows(2).enumerate() {
        assert_sessions_go_on(&pair[0], &pair[1], &format!("from step {index} to the next")).await;
        assert_sessions_go_on(&pair[1], &pair[0], &format!("from the step after {index} back")).await;
    }
    let token = token_of(&envoys[0].url(), "GCLB").await;
    assert_worthless(&envoys[3], &token, "a token of the dropped key").await;
}

#[tokio::test]
async fn a_token_of_another_key_service_or_cookie_begins_a_new_session() {
    let pods = pods(2);
    let keys = json!([key("a", SECRETS[0])]);
    let home = with_keys(&pods, &keys);
    let other_secret = with_keys(&pods, &json!([key("a", SECRETS[1])]));
    let no_keys = generated_cookie(&pods, &json!({ "affinityCookieTtlSec": 50 }));
    // One service has another name and the same cookie. The other has the same name and another cookie.
    let service = |name: &str, route: &str, cookie: &str| {
        json!({
            "name": name,
            "routes": [route],
            "sessionAffinity": { "affinityType": "GENERATED_COOKIE", "cookie": { "name": cookie } },
            "backends": ["neg-demo-0", "neg-demo-1"],
        })
    };
    let services = [service("other", "one", "GCLB"), service("default", "two", "OTHER")];
    let services = json!({ "debugHeader": "x-debug", "keys": keys, "services": services });
    let route = |name: &str| {
        json!({
            "name": name,
            "match": { "path": format!("/{name}") },
            "route": { "cluster_header": "x-affinity-cluster" },
        })
    };
    let services = bootstrap(&pods).filter(&services).route(route("one")).route(route("two")).build();
    let (home, other_secret, no_keys, services) = tokio::join!(
        envoy(&pods, &home),
        envoy(&pods, &other_secret),
        envoy(&pods, &no_keys),
        Envoy::start(&services),
    );
    let services = services.unwrap();
    for (url, cookie, what) in [
        (other_secret.url(), "GCLB", "another secret under the same id"),
        (no_keys.url(), "GCLB", "no key"),
        (format!("{}/one", services.url()), "GCLB", "another service"),
        (format!("{}/two", services.url()), "OTHER", "another cookie"),
    ] {
        assert_worthless(&home, &token_of(&url, cookie).await, what).await;
    }
    let token = token_of(&home.url(), "GCLB").await;
    assert_worthless(&no_keys, &token, "a sealed token where there are no keys").await;
}

#[tokio::test]
async fn a_secret_is_the_same_inline_in_key_values_and_in_the_environment_of_envoy() {
    let pods = pods(2);
    let inline = with_keys(&pods, &json!([key("a", SECRETS[0])]));
    let from_environment = with_keys(&pods, &json!([{ "id": "a", "env": "AFFINITY_SECRET" }]));
    let key_values = bootstrap(&pods).filter(&from_environment);
    let key_values = key_values.env_key_values(&[("AFFINITY_SECRET", SECRETS[0])]).build();
    let host = bootstrap(&pods).filter(&from_environment).host_env_keys(&["AFFINITY_SECRET"]).build();
    let options = Envoy::options().env("AFFINITY_SECRET", SECRETS[0]);
    let (inline, key_values, host) =
        tokio::join!(envoy(&pods, &inline), Envoy::start(&key_values), options.start(&host));
    let envoys = [inline, key_values.unwrap(), host.unwrap()];
    for (index, one) in envoys.iter().enumerate() {
        let next = &envoys[(index + 1) % envoys.len()];
        assert_sessions_go_on(one, next, &format!("from way {index} to the next")).await;
    }
    let dump = envoys[2].admin_get("/config_dump").await.unwrap();
    assert!(!dump.contains(SECRETS[0]), "a secret from Envoy's own environment is nowhere to be read");
}
