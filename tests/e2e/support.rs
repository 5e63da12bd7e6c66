//! Pods and an Envoy in front of them.

use harness::client::{Client, Reply};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

/// This many pods: `neg-demo-0`, `neg-demo-1` and so on, each in a cluster of the same name.
pub fn pods(count: usize) -> Vec<Pod> {
    (0..count).map(|index| Pod::start(&format!("neg-demo-{index}")).unwrap()).collect()
}

/// The names of the pods' clusters, as a list of backends.
pub fn names(pods: &[Pod]) -> Value {
    pods.iter().map(Pod::name).collect()
}

/// A bootstrap with a cluster for each pod.
pub fn bootstrap(pods: &[Pod]) -> Bootstrap {
    pods.iter().fold(Bootstrap::new(), |bootstrap, pod| bootstrap.cluster(pod.name(), &[pod.address()]))
}

/// An Envoy in front of the pods, with two workers and this plugin configuration.
pub async fn envoy(pods: &[Pod], plugin: &Value) -> Envoy {
    Envoy::start(&bootstrap(pods).filter(plugin).build()).await.unwrap()
}

/// A configuration with generated cookies over all pods, `session_affinity` merged into its `sessionAffinity`.
pub fn generated_cookie(pods: &[Pod], session_affinity: &Value) -> Value {
    let mut affinity = json!({ "affinityType": "GENERATED_COOKIE" });
    for (name, value) in session_affinity.as_object().unwrap() {
        affinity[name] = value.clone();
    }
    json!({ "sessionAffinity": affinity, "backends": names(pods), "debugHeader": "x-debug" })
}

/// The outcome in the debug header, or an empty text without the header.
pub fn outcome(reply: &Reply) -> String {
    reply.header("x-debug").unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
}

/// The headers of one request.
pub type Headers = Vec<(&'static str, Vec<u8>)>;

/// The headers of this many requests, each with this `Cookie`.
pub fn with_cookie(cookie: &str, count: usize) -> Vec<Headers> {
    vec![vec![("cookie", cookie.as_bytes().to_vec())]; count]
}

/// GETs `url` once with each of these headers, over up to 20 connections at a time, which reach both workers.
/// The replies are in the order of the requests.
pub async fn fetch_each(client: fn() -> Client, url: &str, requests: Vec<Headers>) -> Vec<Reply> {
    let count = requests.len();
    let mut lanes = vec![Vec::new(); count.min(20)];
    for (index, headers) in requests.into_iter().enumerate() {
        lanes[index % count.min(20)].push((index, headers));
    }
    let mut lanes: tokio::task::JoinSet<_> = lanes
        .into_iter()
        .map(|lane| {
            let (client, url) = (client(), url.to_owned());
            async move {
                let mut replies = Vec::new();
                for (index, headers) in lane {
                    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
                    replies.push((index, client.fetch(&url, &headers).await.unwrap()));
                }
                replies
            }
        })
        .collect();
    let mut replies = Vec::with_capacity(count);
    while let Some(lane) = lanes.join_next().await {
        replies.extend(lane.unwrap());
    }
    replies.sort_by_key(|(index, _)| *index);
    replies.into_iter().map(|(_, reply)| reply).collect()
}

/// The number of replies from each pod.
pub fn spread(pods: &[Pod], replies: &[Reply]) -> Vec<u64> {
    let from = |pod: &Pod| replies.iter().filter(|reply| reply.pod == pod.name()).count();
    let counts: Vec<u64> = pods.iter().map(|pod| u64::try_from(from(pod)).unwrap()).collect();
    assert_eq!(
        counts.iter().sum::<u64>(),
        u64::try_from(replies.len()).unwrap(),
        "a reply of none of the pods"
    );
    counts
}

/// Begins a session. Returns its cookie (`GCLB=...`) and its pod.
pub async fn session(envoy: &Envoy) -> (String, String) {
    let reply = Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
    (reply.cookie_pair("GCLB").expect("a session begins").to_owned(), reply.pod)
}
