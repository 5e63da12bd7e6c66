//! Lines in Envoy's log: Envoy names the plugin in each line, so the filter does not repeat the name.

use harness::client::Client;
use harness::envoy::Envoy;
use serde_json::{Value, json};

use crate::support::{bootstrap, generated_cookie, names, pods};

/// Removes the product's name from the prefix that Envoy puts before the filter's lines.
fn rename(bootstrap: &mut Value) {
    let filters = bootstrap
        .pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters");
    let config = &mut filters.unwrap()[0]["typed_config"]["config"];
    config["name"] = json!("plugin-7");
    config["root_id"] = json!("root-7");
    config["vm_config"]["vm_id"] = json!("vm-7");
}

/// The filter's lines without Envoy's prefix.
fn own_words(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains("][wasm]"));
    lines.filter_map(|line| Some(line.split_once("vm-7: ")?.1.to_owned())).collect()
}

#[tokio::test]
async fn a_config_error_does_not_repeat_what_envoy_puts_before_it() {
    let pods = pods(1);
    let plugin = json!({ "sessionAffinity": { "affinityTyp": "NONE" }, "backends": names(&pods) });
    let log = Envoy::expect_refusal(&bootstrap(&pods).filter(&plugin).edit(rename).build()).await.unwrap();
    let words = own_words(&log);
    let errors: Vec<_> = words.iter().filter(|words| words.contains("config error at")).collect();
    assert!(!errors.is_empty(), "{log}");
    for words in errors {
        assert!(words.starts_with("config error at sessionAffinity.affinityTyp: "), "{words}");
    }
}

#[tokio::test]
async fn warnings_and_other_lines_do_not_repeat_it_either() {
    let pods = pods(2);
    let mut plugin = generated_cookie(&pods, &json!({}));
    plugin["backends"] = json!(["neg-demo-0", "neg-demo-1", "nowhere"]);
    plugin["outlierDetection"] = json!({ "consecutiveLocalOriginFailure": 1 });
    let route =
        json!({ "name": "app", "match": { "prefix": "/wrong" }, "route": { "cluster": "neg-demo-0" } });
    let config =
        bootstrap(&pods).filter(&plugin).route(route).route(super::route("app", "/")).edit(rename).build();
    let envoy = Envoy::start(&config).await.unwrap();
    let client = Client::http1();
    for path in ["/wrong", "/"].repeat(20) {
        client.fetch(&format!("{}{path}", envoy.url()), &[]).await.unwrap();
    }
    let log = envoy.log();
    let words = own_words(&log);
    for expected in ["configured", "cluster_header", "nowhere ejected"] {
        assert!(words.iter().any(|words| words.contains(expected)), "{expected}: {words:#?}");
    }
    for words in words {
        assert!(!words.contains("session-affinity: ") && !words.contains("plugin-7"), "{words}");
    }
}
