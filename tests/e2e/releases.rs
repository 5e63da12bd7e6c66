//! Envoys with different releases of the filter side by side, as in an upgrade. Golden tokens represent the other
//! release: `tests/golden` holds tokens that the other release made, and `tests/golden/open.py` reads tokens as that
//! release does.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::{Value, json};

use crate::shipped::python::Packages;
use crate::support::{bootstrap, envoy, outcome, pods};

const GOLDEN: Packages = Packages { name: "golden", requirements: &["cryptography>=46,<60"] };

/// The golden tokens of every release.
fn golden_tokens() -> Vec<Value> {
    let golden = harness::workspace_root().join("tests/golden");
    let files = fs::read_dir(golden).unwrap().map(|file| file.unwrap().path());
    let json = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    let releases = json.map(|file| serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap());
    releases.flat_map(|release| release["tokens"].as_array().unwrap().clone()).collect()
}

/// The service of a golden token. Only a session leads to `neg-demo-0`, the backend in the token.
fn plugin_for(golden: &Value) -> Value {
    let name = &golden["name"];
    let affinity = match golden["carrier"].as_str().unwrap() {
        "cookie" => json!({ "affinityType": "GENERATED_COOKIE", "cookie": { "name": name } }),
        "header" => json!({ "affinityType": "GENERATED_HEADER", "header": { "name": name } }),
        "header envelope" => json!({ "affinityType": "HEADER_ENVELOPE", "header": { "name": name } }),
        "cookie envelope" => json!({ "affinityType": "COOKIE_ENVELOPE", "cookie": { "name": name } }),
        other => panic!("no carrier {other}"),
    };
    let mut plugin = json!({
        "name": golden["service"],
        "sessionAffinity": affinity,
        "backends": [{ "cluster": "neg-demo-0", "weight": 0 }, "neg-demo-1", "neg-demo-2"],
        "debugHeader": "x-debug",
    });
    if let Some(secret) = golden["secret"].as_str() {
        plugin["keys"] = json!([{ "id": "golden", "secret": secret }]);
    }
    plugin
}

/// Sends a golden token like a client of the other release.
async fn fetch_with(envoy: &Envoy, golden: &Value) -> Reply {
    let text = |field: &str| golden[field].as_str().unwrap();
    let (name, token) = (text("name"), text("token"));
    if text("carrier").contains("cookie") {
        return Client::http1().fetch_with_cookie(&envoy.url(), &format!("{name}={token}")).await.unwrap();
    }
    Client::http1().fetch(&envoy.url(), &[(name, token.as_bytes())]).await.unwrap()
}

#[tokio::test]
async fn an_envoy_with_this_version_honours_the_sessions_of_every_release() {
    let pods = pods(3);
    let tokens = golden_tokens();
    let mut plugins: Vec<Value> = tokens.iter().map(plugin_for).collect();
    plugins.dedup();
    let mut honoured = 0;
    for plugin in &plugins {
        let envoy = envoy(&pods, plugin).await;
        for golden in tokens.iter().filter(|golden| plugin_for(golden) == *plugin) {
            let reply = fetch_with(&envoy, golden).await;
            assert_eq!((&*reply.pod, &*outcome(&reply)), ("neg-demo-0", "pinned"), "{golden}");
            assert!(reply.set_cookies.is_empty(), "the client keeps its token: {golden}");
            honoured += 1;
        }
    }
    assert_eq!(honoured, tokens.len());
}

/// The sessions in these tokens, read as another release reads them.
fn opened(golden: &Value, pods: &[Pod], tokens: &[String]) -> Vec<Value> {
    let text = |field: &str| golden[field].as_str().unwrap_or_default();
    let mut script = GOLDEN.script("open.py");
    script.args([text("secret"), text("service"), text("carrier"), text("name")]);
    script.args(pods.iter().map(Pod::name)).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = script.spawn().unwrap();
    reader.stdin.take().unwrap().write_all(tokens.join("\n").as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "another release cannot open {tokens:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn the_sessions_of_this_version_are_read_by_other_releases() {
    let pods = pods(3);
    let tokens = golden_tokens();
    let own = |carrier: &'static str| tokens.iter().filter(move |golden| golden["carrier"] == carrier);
    let with_keys = |golden: &&Value| golden["secret"].is_string();
    let cases = [
        own("cookie").find(with_keys).unwrap(),
        own("cookie").find(|golden| !with_keys(golden)).unwrap(),
        own("header").find(with_keys).unwrap(),
    ];
    for golden in cases {
        let envoy = Envoy::start(&bootstrap(&pods).filter(&plugin_for(golden)).build()).await.unwrap();
        let name = golden["name"].as_str().unwrap();
        let mut sessions = Vec::new();
        for _ in 0..10 {
            let reply = Client::http1().fetch(&envoy.url(), &[]).await.unwrap();
            let pair = reply.cookie_pair(name).and_then(|pair| pair.split_once('='));
            let token = pair.map(|(_, token)| token.to_owned()).or_else(|| reply.header(name)).unwrap();
            sessions.push((token, reply.pod));
        }
        let tokens: Vec<String> = sessions.iter().map(|(token, _)| token.clone()).collect();
        let read = opened(golden, &pods, &tokens);
        assert_eq!(read.len(), sessions.len());
        for (session, (token, pod)) in read.iter().zip(&sessions) {
            assert_eq!(session["backend"], **pod, "{token}");
            let start = SystemTime::UNIX_EPOCH + Duration::from_millis(session["start"].as_u64().unwrap());
            let age = SystemTime::now().duration_since(start).unwrap_or_default();
            assert!(age < Duration::from_secs(60), "{token} began {age:?} ago");
        }
    }
}
