//! Configurations that Envoy must refuse, in an update and at its start, and configurations that it must accept.

#[path = "../cases/mod.rs"]
mod cases;

use std::collections::{BTreeMap, BTreeSet};

use harness::client::Client;
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::xds;
use serde_json::{Value, json};

use crate::ecds::SOON;
use crate::support::{bootstrap, pods};
use cases::{ENVIRONMENT, NEVER_SHOWN, SECRET};

fn as_text(configuration: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration })
}

/// The configuration as YAML, as people write it. `None` for text that is not an object.
fn as_struct(configuration: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(configuration).ok().filter(Value::is_object)?;
    Some(json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": value }))
}

fn as_bytes(base64: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.BytesValue", "value": base64 })
}

/// Configurations that must be refused, in each form that can hold them, and the log line that states the reason.
fn refused() -> Vec<(Value, String)> {
    let line = |problem: &str| format!("config error at {problem}");
    let mut refused = Vec::new();
    let mut said = BTreeSet::new();
    for case in cases::refused() {
        refused.push((as_text(&case.config), case.line()));
        // As a Struct, one case of each kind at each place: the parser's own tests try all. A Struct has each field
        // once, and an empty Struct has no bytes.
        let (kind, _) = case.problem.split_once(';').unwrap();
        let sayable = kind != "given twice" && case.config != "{}";
        if let Some(config) = as_struct(&case.config).filter(|_| sayable)
            && said.insert((case.path.clone(), kind.to_owned()))
        {
            refused.push((config, case.line()));
        }
    }
    let nothing =
        line("(root): no configuration; allowed: JSON, or a google.protobuf.Struct; given: nothing");
    refused.extend(
        [Value::Null, as_struct("{}").unwrap(), as_bytes("")].map(|config| (config, nothing.clone())),
    );
    // {"backends":[]}
    let empty = line("backends: empty; allowed: at least one backend; given: an empty list");
    refused.push((as_bytes("eyJiYWNrZW5kcyI6W119"), empty));
    // {"backends":["\xff"]}
    let no_text = "(root): not JSON: invalid unicode code point at line 1 column 15; \
        allowed: JSON, or a google.protobuf.Struct; given: 18 bytes";
    refused.push((as_bytes("eyJiYWNrZW5kcyI6WyL/Il19"), line(no_text)));
    refused
}

/// A bootstrap whose VMs have the environment variables of the cases.
fn with_environment(bootstrap: Bootstrap) -> Bootstrap {
    bootstrap.env_key_values(&ENVIRONMENT)
}

/// Copies of the bootstrap's only listener, each with its own name and plugin configuration.
fn listeners(bootstrap: &Value, plugins: impl IntoIterator<Item = (String, Value)>) -> Vec<Value> {
    let like = |(name, configuration): (String, Value)| {
        let mut listener = bootstrap["static_resources"]["listeners"][0].clone();
        listener["name"] = name.clone().into();
        let filter = &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][0];
        let plugin = &mut filter["typed_config"]["config"];
        // Envoy writes the root id before each line that the plugin logs.
        plugin["root_id"] = name.into();
        plugin["configuration"] = configuration;
        listener
    };
    plugins.into_iter().map(like).collect()
}

/// What plugins logged about their configurations, by root id.
fn errors(log: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut errors: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("config error")) {
        assert!(line.contains("[error][wasm]"), "{line}");
        let (_, logged) = line.split_once("wasm log ").unwrap();
        let (origin, message) = logged.split_once(": ").unwrap();
        errors.entry(origin.split(' ').next().unwrap()).or_default().push(message);
    }
    errors
}

fn assert_no_secret(log: &str) {
    for secret in NEVER_SHOWN {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is shown");
    }
}

#[tokio::test]
async fn each_bad_listener_is_refused_with_one_line_and_good_ones_serve() {
    let pods = pods(1);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lds.json");
    xds::write(&file, xds::resources(&[])).unwrap();
    let good = json!({
        "sessionAffinity": { "affinityType": "GENERATED_COOKIE" },
        "backends": ["neg-demo-0"],
        "keys": [{ "id": "k1", "env": "SESSION_AFFINITY_KEY" }, { "id": "k2", "secret": SECRET }],
    });
    let mut config = with_environment(bootstrap(&pods)).filter(&good).build();
    config["node"] = json!({ "id": "test", "cluster": "test" });
    let path = file.display().to_string();
    config["dynamic_resources"]["lds_config"] =
        json!({ "path_config_source": { "path": path }, "resource_api_version": "V3" });
    let mut envoy = Envoy::start(&config).await.unwrap();

    let bad = refused();
    let plugins =
        (0..).zip(&bad).map(|(index, (configuration, _))| (format!("bad-{index}"), configuration.clone()));
    let mut update = listeners(&config, plugins.chain([("good".to_owned(), as_text(&good.to_string()))]));
    for listener in &mut update {
        listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
    }
    xds::write(&file, xds::resources(&update)).unwrap();
    envoy.wait_for_stat("listener_manager.lds.update_rejected", |count| count == 1, SOON).await.unwrap();

    let log = envoy.log();
    let mut logged = errors(&log);
    let mut wrong = Vec::new();
    for (index, (configuration, line)) in bad.iter().enumerate() {
        let lines = logged.remove(format!("bad-{index}").as_str()).unwrap_or_default();
        if lines != [line] {
            wrong.push(format!("{configuration}\n    wanted {line}\n    got    {lines:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(logged, BTreeMap::new(), "good configurations");
    assert_no_secret(&log);
    envoy.refresh_listeners().await.unwrap();
    for listener in ["http", "good"] {
        let url = format!("http://{}", envoy.address(listener).unwrap());
        assert_eq!(Client::http1().fetch(&url, &[]).await.unwrap().pod, "neg-demo-0");
    }
    assert_eq!(envoy.address("bad-0"), None);
    assert_no_secret(&envoy.stop().await.unwrap());
}

#[tokio::test]
async fn every_good_configuration_is_taken() {
    let mut config = with_environment(Bootstrap::new()).filter(&json!({ "backends": ["a"] })).build();
    let good = cases::accepted();
    let plugins = good.iter().flat_map(|config| [as_text(config), as_struct(config).unwrap()]);
    let plugins = (0..).zip(plugins).map(|(index, configuration)| (format!("good-{index}"), configuration));
    config["static_resources"]["listeners"] = listeners(&config, plugins).into();
    Envoy::validate(&config).await.unwrap_or_else(|log| panic!("{log}"));
}

#[tokio::test]
async fn envoy_does_not_start_with_a_bad_configuration_and_says_once_why() {
    let filter = || with_environment(Bootstrap::new());
    let secret = json!({ "backends": ["a"], "keys": [{ "id": "k1", "secret": [SECRET] }] });
    let bad = [
        (filter().filter(&secret), "keys[0].secret: wrong type; "),
        (filter().filter_struct(&secret), "keys[0].secret: wrong type; "),
        (filter().filter_bytes(secret.to_string().as_bytes()), "keys[0].secret: wrong type; "),
        (filter().filter_unconfigured(), "(root): no configuration; "),
    ];
    for (bootstrap, expected) in bad {
        let log = Envoy::expect_refusal(&bootstrap.build()).await.unwrap();
        let lines: Vec<&str> = errors(&log).into_values().flatten().collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let beginning = format!("config error at {expected}");
        assert!(lines[0].starts_with(&beginning), "{lines:?}");
        assert_no_secret(&log);
    }
}
