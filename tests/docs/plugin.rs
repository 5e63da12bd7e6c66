//! Plugin configurations in pages, read by the filter's own code.

use serde_json::{Map, Value, json};
use session_affinity::config::Config;

use crate::page::{Page, pages};

/// A secret for each environment variable in a page.
pub const SECRET: &str = "c2Vzc2lvbi1hZmZpbml0eS1kb2NzLXRlc3RzPT09PT0=";
/// The environment variables in pages.
pub const VARIABLES: [&str; 2] = ["SESSION_AFFINITY_KEY", "SESSION_AFFINITY_KEY_2"];

/// Fields of `sessionAffinity`, which a snippet may show without `sessionAffinity` around them.
const OF_AFFINITY: [&str; 8] = [
    "affinityType",
    "affinityCookieTtlSec",
    "idleTimeoutSec",
    "fallback",
    "cookie",
    "header",
    "queryParameter",
    "clientIp",
];

/// Fields of the top level that identify a snippet as a plugin configuration.
const OF_TOP_LEVEL: [&str; 15] = [
    "services",
    "clusterHeader",
    "endpointHeader",
    "debugHeader",
    "logOutcome",
    "keys",
    "sessionAffinity",
    "backends",
    "pin",
    "onUnavailable",
    "rejectStatus",
    "failover",
    "outlierDetection",
    "healthCheck",
    "affinityType",
];

/// Whether a snippet is a plugin configuration or a part of one.
pub fn is_plugin_configuration(snippet: &Value) -> bool {
    let fields = snippet.as_object();
    fields.is_some_and(|fields| fields.keys().any(|name| OF_TOP_LEVEL.contains(&name.as_str())))
}

/// The filter's error about a configuration, if there is one.
pub fn verdict(configuration: &Value) -> Result<(), String> {
    let environment = |name: &str| VARIABLES.contains(&name).then(|| SECRET.to_owned());
    let parsed = Config::parse(configuration.to_string().as_bytes(), &environment);
    parsed.map(|_| ()).map_err(|error| error.to_string())
}

/// The smallest configuration with these fields.
pub fn completed(fields: Map<String, Value>) -> Value {
    if fields.contains_key("services") {
        return fields.into();
    }
    let pinned = fields.get("pin").is_some_and(|pin| *pin != "CLUSTER");
    let mut configuration = json!({ "sessionAffinity": { "affinityType": "GENERATED_COOKIE" } });
    if fields.get("pin") != Some(&json!("ENDPOINT")) {
        configuration["backends"] = json!(["a", "b"]);
    }
    if pinned {
        configuration["keys"] = json!([{ "id": "k1", "env": "SESSION_AFFINITY_KEY" }]);
    }
    for (name, value) in fields {
        if OF_AFFINITY.contains(&name.as_str()) {
            configuration["sessionAffinity"][name] = value;
        } else {
            configuration[name] = value;
        }
    }
    configuration
}

#[test]
fn every_plugin_configuration_in_a_page_is_accepted() {
    let mut count = 0;
    for block in pages().iter().flat_map(Page::blocks) {
        if !["yaml", "json"].contains(&&*block.language) || block.not_run().is_some() {
            continue;
        }
        let snippet: Value = serde_saphyr::from_str(&block.text)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", block.place, block.text));
        if let Value::Object(fields) = snippet.clone()
            && is_plugin_configuration(&snippet)
        {
            assert_eq!(verdict(&completed(fields)), Ok(()), "{}", block.place);
            count += 1;
        }
    }
    assert!(count >= 20, "{count}");
}
