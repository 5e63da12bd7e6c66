//! Valid and invalid keys, and secrets in wrong places: no secret may appear in a log or an error.

use super::Refused;

/// 32 bytes.
pub const SECRET: &str = "IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE=";
/// The environment variables of the VM.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("SESSION_AFFINITY_KEY", SECRET),
    ("KEY_OF_31_BYTES", "T2YgMzIgYnl0ZXMgb25lIGlzIG1pc3NpbmcgaGVyZQ=="),
    ("KEY_THAT_IS_TEXT", "correct horse battery staple, correct horse battery staple"),
    ("KEY_THAT_IS_EMPTY", ""),
];
/// No line of a log may contain any of these texts.
pub const NEVER_SHOWN: [&str; 7] = [
    // Either half of the secret.
    "IDMyIGJ5dGVzIHRoYXQgbm",
    "9ib2R5IHNoYWxsIHNlZSE",
    "T2YgMzIgYnl0ZXMgb25lIG",
    "correct horse",
    "hunter2",
    "KEY_THAT_IS",
    "SESSION_AFFINITY_KEY",
];

const BASE64: &str = "at least 32 bytes as base64 with padding (for example from: openssl rand -base64 32)";
const FIELDS: &str = "services, clusterHeader, endpointHeader, debugHeader, logOutcome, keys, name, routes, \
    sessionAffinity, backends, pin, onUnavailable, rejectStatus, failover, outlierDetection, healthCheck";

/// An invalid list of keys: the path, the error, and the allowed values. `SECRET` stands for the secret.
type Row = (&'static str, &'static str, &'static str, &'static str);

const ONE: &str = "one of them";
const KNOWN: &str = "id, secret, env";
const VARIABLE: &str = "a variable that vm_config.environment_variables passes to the VM: list it in host_env_keys, and \
                        set it in Envoy's environment";

const WRONG: &[Row] = &[
    (r#"[{"id":"k"}]"#, "keys[0]", "neither secret nor env given", ONE),
    (
        r#"[{"id":"k","secret":"SECRET","env":"SESSION_AFFINITY_KEY"}]"#,
        "keys[0]",
        "both secret and env given",
        ONE,
    ),
    (
        r#"[{"id":"k","secret":"SECRET"},{"id":"k","secret":"SECRET"}]"#,
        "keys[1].id",
        "duplicate of keys[0].id",
        "each id once",
    ),
    (r#"[{"id":"k","secret":"SECRET","secret":"SECRET"}]"#, "keys[0].secret", "given twice", "once"),
];

const NO_BASE64: &[Row] = &[
    (r#"[{"id":"k","secret":""}]"#, "keys[0].secret", "too short", BASE64),
    (
        r#"[{"id":"k","secret":"T2YgMzIgYnl0ZXMgb25lIGlzIG1pc3NpbmcgaGVyZQ=="}]"#,
        "keys[0].secret",
        "too short",
        BASE64,
    ),
    (
        r#"[{"id":"k","secret":"hunter2hunter2hunter2hunter2hunter2hunter2"}]"#,
        "keys[0].secret",
        "not base64",
        BASE64,
    ),
    (r#"[{"id":"k","secret":"SECRET\n"}]"#, "keys[0].secret", "not base64", BASE64),
    (r#"[{"id":"k","secret":"SECRET="}]"#, "keys[0].secret", "not base64", BASE64),
    // Without padding, in the other alphabet, and with an unused bit set.
    (
        r#"[{"id":"k","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE"}]"#,
        "keys[0].secret",
        "not base64",
        BASE64,
    ),
    (
        r#"[{"id":"k","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZS__"}]"#,
        "keys[0].secret",
        "not base64",
        BASE64,
    ),
    (
        r#"[{"id":"k","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSF="}]"#,
        "keys[0].secret",
        "not base64",
        BASE64,
    ),
];

const VARIABLES: &[Row] = &[
    (r#"[{"id":"k","env":"KEY_THAT_IS_MISSING"}]"#, "keys[0].env", "not set", VARIABLE),
    (r#"[{"id":"k","env":"KEY_OF_31_BYTES"}]"#, "keys[0].env", "the variable's value is too short", BASE64),
    (r#"[{"id":"k","env":"KEY_THAT_IS_EMPTY"}]"#, "keys[0].env", "the variable's value is too short", BASE64),
    (r#"[{"id":"k","env":"KEY_THAT_IS_TEXT"}]"#, "keys[0].env", "the variable's value is not base64", BASE64),
];

const MISPLACED: &[Row] = &[
    (r#"[{"id":"SECRET","secret":"k"}]"#, "keys[0].id", "illegal value", "[A-Za-z0-9_-]{1,8}"),
    (r#"[{"id":"k","env":"SECRET"}]"#, "keys[0].env", "not set", VARIABLE),
    (r#""SECRET""#, "keys", "wrong type", "a list"),
    (r#"{"id":"k","secret":"SECRET"}"#, "keys", "wrong type", "a list"),
    (r#"["SECRET"]"#, "keys[0]", "wrong type", "an object"),
    (r#"[["SECRET"]]"#, "keys[0]", "wrong type", "an object"),
    (r#"[{"id":"k","secret":["SECRET"]}]"#, "keys[0].secret", "wrong type", BASE64),
    (r#"[{"id":"k","secret":{"SECRET":"SECRET"}}]"#, "keys[0].secret", "wrong type", BASE64),
    (r#"[{"SECRET":"k"}]"#, "keys[0]", "unknown field", KNOWN),
    (r#"[{"id":"k","secret":"SECRET","p hunter2":1}]"#, "keys[0]", "unknown field", KNOWN),
];

/// Whole configurations: path and error.
const ANYWHERE: &[(&str, &str, &str)] = &[
    (
        r#"{"backends":["a"],"keys":[{"secret":"SECRET"}]}"#,
        "keys[0].id",
        "missing; allowed: [A-Za-z0-9_-]{1,8}; given: nothing",
    ),
    (
        r#"{"backends":["a"],"keys":[{"id":"k","secrets":"SECRET"}]}"#,
        "keys[0].secrets",
        r#"unknown field; allowed: id, secret, env; given: "secrets""#,
    ),
    (
        r#"{"backends":["a"],"keys":[{"id":"k","secret":"SECRET","note":"hunter2"}]}"#,
        "keys[0].note",
        r#"unknown field; allowed: id, secret, env; given: "note""#,
    ),
    (
        r#"{"backends":["a"],"keys":[{"id":"k","secret":"SECRET"}],"keys":[{"id":"k","secret":"SECRET"}]}"#,
        "keys",
        "given twice; allowed: once; given: (not shown)",
    ),
    (
        r#"{"backends":["a"],"Keys":[{"id":"k","secret":"SECRET"}]}"#,
        "Keys",
        r#"unknown field; allowed: FIELDS; given: "Keys""#,
    ),
    (
        r#"{"backends":["a"],"key":{"id":"k","secret":"SECRET"}}"#,
        "key",
        r#"unknown field; allowed: FIELDS; given: "key""#,
    ),
    (
        r#"{"backends":["a"],"secret":"SECRET"}"#,
        "secret",
        r#"unknown field; allowed: FIELDS; given: "secret""#,
    ),
    (r#"{"backends":["a"],"SECRET":"k"}"#, "(root)", "unknown field; allowed: FIELDS; given: (not shown)"),
    (
        r#"{"backends":["a"],"sessionAffinity":{"affinityType":"NONE","keys":[{"id":"k","secret":"SECRET"}]}}"#,
        "sessionAffinity.keys",
        r#"unknown field; allowed: affinityType, affinityCookieTtlSec, idleTimeoutSec, cookie, header, queryParameter, clientIp, fallback; given: "keys""#,
    ),
    (
        r#"{"services":[{"backends":["a"],"keys":[{"id":"k","secret":"SECRET"}]}]}"#,
        "services[0].keys",
        r#"unknown field; allowed: name, routes, sessionAffinity, backends, pin, onUnavailable, rejectStatus, failover, outlierDetection, healthCheck; given: "keys""#,
    ),
    (
        r#"{"backends":[{"id":"k","secret":"SECRET"}]}"#,
        "backends[0].id",
        r#"unknown field; allowed: cluster, weight, backup; given: "id""#,
    ),
    (
        r#"{"backends":["a"],"name":{"secret":"SECRET"}}"#,
        "name",
        "wrong type; allowed: [A-Za-z0-9_-]{1,64}; given: an object",
    ),
    (
        r#"{"backends":["a"],"pin":["SECRET"]}"#,
        "pin",
        "wrong type; allowed: CLUSTER, ENDPOINT, CLUSTER_AND_ENDPOINT; given: a list",
    ),
    (
        r#"{"backends":["a"],"keys":[{"id":"k","secret":"SECRET"]}"#,
        "(root)",
        "not JSON: expected `,` or `}` at line 1 column 92; allowed: JSON, or a google.protobuf.Struct; \
         given: 93 bytes",
    ),
    // An error elsewhere causes no error about valid keys.
    (
        r#"{"backends":["a"],"keys":[{"id":"k","secret":"SECRET"}],"rejectStatus":1}"#,
        "rejectStatus",
        "out of range; allowed: an integer from 400 to 599; given: 1",
    ),
];

pub fn refused() -> Vec<Refused> {
    let in_keys = [WRONG, NO_BASE64, VARIABLES, MISPLACED].concat().into_iter();
    let in_keys = in_keys.map(|(keys, path, wrong, allowed)| {
        Refused::new(with_keys(keys), path, format!("{wrong}; allowed: {allowed}; given: (not shown)"))
    });
    let anywhere = ANYWHERE.iter().map(|(config, path, problem)| {
        Refused::new(config.replace("SECRET", SECRET), path, problem.replace("FIELDS", FIELDS))
    });
    in_keys.chain(anywhere).collect()
}

pub fn accepted() -> Vec<String> {
    vec![
        with_keys(r#"[{"id":"k2","env":"SESSION_AFFINITY_KEY"},{"id":"k1","secret":"SECRET"}]"#),
        // 33 bytes, and 34.
        with_keys(
            r#"[{"id":"k1","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSEh"},
                {"id":"K1","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSEhIQ=="}]"#,
        ),
    ]
}

fn with_keys(keys: &str) -> String {
    format!(r#"{{"backends":["a"],"keys":{}}}"#, keys.replace("SECRET", SECRET))
}
