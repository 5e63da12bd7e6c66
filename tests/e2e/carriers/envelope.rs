//! `HEADER_ENVELOPE`: the application names the session, and the filter wraps that name together with the pin.

use std::collections::BTreeSet;

use harness::client::{Client, Reply};
use harness::config::{Bootstrap, stateful_session};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::ecds::{SOON, eventually};
use crate::endpoints::fleet::{Fleet, endpoints, keys, route_with_retries};
use crate::raw::exchange;
use crate::support::{envoy, names, outcome};

const HEADER: &str = "mcp-session-id";

fn pods(count: usize) -> Vec<Pod> {
    (0..count).map(|index| Pod::obedient(&format!("neg-demo-{index}")).unwrap()).collect()
}

fn plugin(backends: &Value) -> Value {
    json!({
        "sessionAffinity": { "affinityType": "HEADER_ENVELOPE", "header": { "name": "Mcp-Session-Id" } },
        "backends": backends,
        "keys": keys(),
        "debugHeader": "x-debug",
    })
}

/// A request with an optional value in the header. The application responds with an optional value in the header.
async fn call(client: &Client, envoy: &Envoy, sends: Option<&[u8]>, answer: Option<&[u8]>) -> Reply {
    let answer = answer.map(|value| [b"Mcp-Session-Id: ", value].concat());
    let mut headers = Vec::new();
    headers.extend(sends.map(|value| (HEADER, value)));
    headers.extend(answer.as_deref().map(|line| ("x-answer-header", line)));
    client.fetch(&envoy.url(), &headers).await.unwrap()
}

/// The header value that the client received.
fn got(reply: &Reply) -> Option<Vec<u8>> {
    assert!(reply.headers.get_all(HEADER).iter().count() < 2);
    reply.headers.get(HEADER).map(|value| value.as_bytes().to_vec())
}

/// The header value that the application received.
fn application_got(pods: &[Pod], reply: &Reply) -> Vec<Vec<u8>> {
    pods.iter().find(|pod| pod.name() == reply.pod).unwrap().last_request().header(HEADER)
}

/// Begins a session with this name.
async fn begin(envoy: &Envoy, value: &[u8]) -> (Vec<u8>, Reply) {
    let reply = call(&Client::http1(), envoy, None, Some(value)).await;
    (got(&reply).unwrap(), reply)
}

#[tokio::test]
async fn the_application_sees_only_its_own_value_and_the_client_only_the_envelope() {
    let pods = pods(3);
    let sealed = plugin(&names(&pods));
    let mut plain = sealed.clone();
    plain.as_object_mut().unwrap().remove("keys");
    let (sealed, plain) = tokio::join!(envoy(&pods, &sealed), envoy(&pods, &plain));
    let (printable, high): (Vec<u8>, Vec<u8>) = ((0x21..0x7f).collect(), (0x80..=0xff).collect());
    let values = [
        b"1".to_vec(),
        b"0f36a8a5d9d74c1f8f0f6a2d1c9e7b55".to_vec(),
        b"two words,\tand \"more\"; a=b".to_vec(),
        printable,
        high.clone(),
        high.repeat(32),
    ];
    assert_eq!(values[5].len(), 4096);
    for envoy in [&sealed, &plain] {
        for client in [Client::http1(), Client::http2()] {
            for value in &values {
                let begun = call(&client, envoy, None, Some(value)).await;
                let envelope = got(&begun).unwrap();
                assert!(envelope.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)));
                assert!(envelope.len() <= 128 + value.len().div_ceil(3) * 4);
                assert_eq!((&*outcome(&begun), application_got(&pods, &begun)), ("assigned", vec![]));
                assert_eq!(begun.header("cache-control").as_deref(), Some("private"));
                for answer in [None, Some(value.as_slice())] {
                    let again = call(&client, envoy, Some(&envelope), answer).await;
                    assert_eq!((&again.pod, &*outcome(&again)), (&begun.pod, "pinned"));
                    assert_eq!(application_got(&pods, &again), std::slice::from_ref(value));
                    assert_eq!(got(&again), answer.map(|_| envelope.clone()), "the envelope is the same");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_value_of_more_than_4_kib_and_several_values_go_out_as_they_are() {
    let pods = pods(3);
    let envoy = envoy(&pods, &plugin(&names(&pods))).await;
    for length in [4097, 5600, 20_000] {
        let value = vec![b'v'; length];
        let (passed, _) = begin(&envoy, &value).await;
        assert_eq!(passed, value);
        let back = call(&Client::http1(), &envoy, Some(&value), None).await;
        assert_eq!(application_got(&pods, &back), [value]);
        assert_eq!(outcome(&back), "invalid");
    }
    let lines =
        [("x-answer-header", b"mcp-session-id: one".as_slice()), ("x-answer-header", b"mcp-session-id: two")];
    let reply = Client::http1().fetch(&envoy.url(), &lines).await.unwrap();
    assert_eq!(reply.headers.get_all(HEADER).iter().collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test]
async fn what_is_no_envelope_of_ours_reaches_the_application_as_the_client_sent_it() {
    let pods = pods(4);
    let home = plugin(&names(&pods));
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut plugin = home.clone();
        edit(&mut plugin);
        plugin
    };
    let other_secret = json!([{ "id": "k1", "secret": "NAanJhIhSejZr8NopGETXYLRPRfcIxzpwW3q0RTy5dI=" }]);
    let foreign = [
        with(&|plugin| plugin["keys"] = other_secret.clone()),
        with(&|plugin| plugin["name"] = json!("other")),
        with(&|plugin| plugin["sessionAffinity"]["header"]["name"] = json!("x-other")),
        with(&|plugin| plugin["sessionAffinity"]["affinityType"] = json!("GENERATED_HEADER")),
    ];
    let [secret, service, header, kind] = &foreign;
    let (home, secret, service, header, kind) = tokio::join!(
        envoy(&pods, &home),
        envoy(&pods, secret),
        envoy(&pods, service),
        envoy(&pods, header),
        envoy(&pods, kind),
    );
    let (good, _) = begin(&home, b"mine").await;
    let mut values: Vec<Vec<u8>> = vec![
        b"0f36a8a5d9d74c1f8f0f6a2d1c9e7b55".to_vec(),
        (0x80..=0xff).collect(),
        vec![b'A'; 5593],
        good[1..].to_vec(),
        good[..good.len() - 1].to_vec(),
        [&good, b"=".as_slice()].concat(),
        [good.as_slice(), b",", &good].concat(),
        [b"\"", good.as_slice(), b"\""].concat(),
    ];
    for place in [0, 1, good.len() / 2, good.len() - 2] {
        let mut other = good.clone();
        other[place] = if other[place] == b'A' { b'B' } else { b'A' };
        values.push(other);
    }
    values.extend([begin(&secret, b"mine").await.0, begin(&service, b"mine").await.0]);
    let line = b"x-other: mine".as_slice();
    let reply = Client::http1().fetch(&header.url(), &[("x-answer-header", line)]).await.unwrap();
    values.push(reply.headers["x-other"].as_bytes().to_vec());
    values.push(got(&Client::http1().fetch(&kind.url(), &[]).await.unwrap()).unwrap());
    let client = Client::http1();
    let mut met = BTreeSet::new();
    for value in &values {
        let reply = call(&client, &home, Some(value), None).await;
        assert_eq!((reply.status.as_u16(), &*outcome(&reply), got(&reply)), (200, "invalid", None));
        assert_eq!(application_got(&pods, &reply), std::slice::from_ref(value));
        met.insert(reply.pod);
    }
    assert!(met.len() > 1, "{met:?}");
    // Two lines are not accepted, even if both are valid.
    let lines = [good.as_slice(), b"\r\nMCP-SESSION-ID: ", &good].concat();
    let request =
        [b"GET / HTTP/1.1\r\nhost: app\r\nmcp-session-id: ", lines.as_slice(), b"\r\n\r\n"].concat();
    let answer = String::from_utf8(exchange(&home, &request).await).unwrap();
    let pod = pods.iter().find(|pod| answer.ends_with(pod.name())).unwrap();
    assert_eq!(pod.last_request().header(HEADER), [good.clone(), good]);
    let invalid = u64::try_from(values.len()).unwrap() + 1;
    let counter = "wasmcustom.session_affinity.service.default.outcome.invalid";
    home.wait_for_stat(counter, |count| count == invalid, SOON).await.unwrap();
}

#[tokio::test]
async fn an_expired_envelope_is_unwrapped_and_routed_anew() {
    let pods = pods(4);
    let mut plugin = plugin(&names(&pods));
    plugin["sessionAffinity"]["affinityCookieTtlSec"] = json!(1);
    let envoy = envoy(&pods, &plugin).await;
    let (envelope, first) = begin(&envoy, b"mine").await;
    let client = Client::http1();
    eventually("it expires", async || {
        outcome(&call(&client, &envoy, Some(&envelope), None).await) == "expired"
    })
    .await;
    let mut met = BTreeSet::new();
    for _ in 0..20 {
        let reply = call(&client, &envoy, Some(&envelope), None).await;
        assert_eq!((&*outcome(&reply), got(&reply)), ("expired", None));
        assert_eq!(application_got(&pods, &reply), [b"mine"]);
        met.insert(reply.pod);
    }
    // By weight: all twenty on one of four happens by chance once in 4^19 runs.
    assert!(met.len() > 1, "{met:?}, and before {}", first.pod);
    let reply = call(&client, &envoy, Some(&envelope), Some(b"mine")).await;
    let fresh = got(&reply).unwrap();
    assert_ne!(fresh, envelope);
    let again = call(&client, &envoy, Some(&fresh), None).await;
    assert_eq!((&again.pod, &*outcome(&again)), (&reply.pod, "pinned"));
}

#[tokio::test]
async fn after_a_move_the_client_learns_the_new_pin_when_the_application_next_sends_its_header() {
    let pods = pods(4);
    let (before, after) = (plugin(&names(&pods[..1])), plugin(&names(&pods[1..])));
    let mut reject = after.clone();
    reject["onUnavailable"] = json!("REJECT");
    let (before, after, reject) =
        tokio::join!(envoy(&pods, &before), envoy(&pods, &after), envoy(&pods, &reject));
    let (envelope, _) = begin(&before, b"mine").await;
    let client = Client::http1();
    let moved = call(&client, &after, Some(&envelope), None).await;
    assert_eq!((&*outcome(&moved), got(&moved)), ("repinned", None));
    for _ in 0..5 {
        let again = call(&client, &after, Some(&envelope), None).await;
        assert_eq!((&again.pod, &*outcome(&again)), (&moved.pod, "repinned"), "always to the same one");
        assert_eq!(application_got(&pods, &again), [b"mine"]);
    }
    let told = call(&client, &after, Some(&envelope), Some(b"mine")).await;
    let again = call(&client, &after, Some(&got(&told).unwrap()), None).await;
    assert_eq!((&again.pod, &*outcome(&again)), (&moved.pod, "pinned"));
    assert_eq!(application_got(&pods, &again), [b"mine"]);
    let rejected = call(&client, &reject, Some(&envelope), Some(b"mine")).await;
    assert_eq!((rejected.status.as_u16(), &*outcome(&rejected), got(&rejected)), (503, "rejected", None));
}

#[tokio::test]
async fn another_value_of_the_application_is_another_session_in_the_same_place() {
    let pods = pods(4);
    let envoy = envoy(&pods, &plugin(&names(&pods))).await;
    let (one, first) = begin(&envoy, b"one").await;
    let client = Client::http1();
    let reply = call(&client, &envoy, Some(&one), Some(b"two")).await;
    assert_eq!((&reply.pod, application_got(&pods, &reply)), (&first.pod, vec![b"one".to_vec()]));
    let two = got(&reply).unwrap();
    for (envelope, value) in [(&two, b"two"), (&one, b"one")] {
        let reply = call(&client, &envoy, Some(envelope), None).await;
        assert_eq!((&reply.pod, &*outcome(&reply)), (&first.pod, "pinned"));
        assert_eq!(application_got(&pods, &reply), [value]);
    }
}

#[tokio::test]
async fn an_envelope_pins_endpoints_too() {
    let mut pods = pods(4);
    let mut plugin = plugin(&json!([]));
    plugin.as_object_mut().unwrap().remove("backends");
    plugin["pin"] = json!("ENDPOINT");
    let with_retries =
        |bootstrap: Bootstrap| bootstrap.http_filter(stateful_session(false)).route(route_with_retries());
    let fleet = Fleet::start(&endpoints(&pods), &plugin, with_retries, |_| {}).await;
    let envoy = &fleet.envoy;
    let client = Client::http1_fresh();
    let (envelope, first) = begin(envoy, b"mine").await;
    for _ in 0..10 {
        let again = call(&client, envoy, Some(&envelope), Some(b"mine")).await;
        assert_eq!((&again.pod, &*outcome(&again)), (&first.pod, "pinned"));
        assert_eq!(
            (got(&again), application_got(&pods, &again)),
            (Some(envelope.clone()), vec![b"mine".to_vec()])
        );
    }
    pods.retain(|pod| pod.name() != first.pod);
    let moved = call(&client, envoy, Some(&envelope), Some(b"mine")).await;
    assert_eq!((moved.status.as_u16(), &*outcome(&moved)), (200, "repinned"));
    let fresh = got(&moved).unwrap();
    for _ in 0..10 {
        let again = call(&client, envoy, Some(&fresh), None).await;
        assert_eq!((&again.pod, &*outcome(&again)), (&moved.pod, "pinned"));
        assert_eq!(application_got(&pods, &again), [b"mine"]);
    }
}
