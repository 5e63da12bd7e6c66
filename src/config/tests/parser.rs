//! The case table on the parser, as JSON text and as `google.protobuf.Struct`.

use std::collections::BTreeMap;

use super::cases::{self, ENVIRONMENT, NEVER_SHOWN, Refused};
use crate::config::{Config, ConfigError};
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::Value;

pub fn parse(bytes: &[u8]) -> Result<Config, ConfigError> {
    let environment: BTreeMap<_, _> = ENVIRONMENT.into();
    Config::parse(bytes, &|name| environment.get(name).map(|value| (*value).to_owned()))
}

/// The line that the filter logs, or "(accepted)".
fn message(bytes: &[u8]) -> String {
    parse(bytes).map_or_else(|error| format!("{error}"), |_| "(accepted)".to_owned())
}

/// The bytes that Envoy passes for these fields in YAML. `None` if the text is not a JSON object.
pub fn as_struct(json: &str) -> Option<Vec<u8>> {
    match serde_json::from_str(json).ok()? {
        Value::Object(fields) => Some(to_struct(fields).encode_to_vec()),
        _ => None,
    }
}

fn to_struct(fields: serde_json::Map<String, Value>) -> Struct {
    Struct { fields: fields.into_iter().map(|(name, value)| (name, to_proto(value))).collect() }
}

fn to_proto(value: Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(bool) => Kind::BoolValue(bool),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(to_proto).collect() })
        }
        Value::Object(fields) => Kind::StructValue(to_struct(fields)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Asserts that all messages are as expected. Reports all differences at once.
fn assert_messages<'a>(messages: impl Iterator<Item = (&'a Refused, String)>) {
    let wrong: Vec<String> = messages
        .filter(|(case, message)| *message != case.line())
        .map(|(case, message)| format!("{}\n    wanted {}\n    got    {message}", case.config, case.line()))
        .collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn invalid_configurations_are_refused_with_the_path_and_the_allowed_values() {
    let cases = cases::refused();
    assert_messages(cases.iter().map(|case| (case, message(case.config.as_bytes()))));
}

#[test]
fn an_invalid_struct_is_refused_with_the_same_message() {
    let cases = cases::refused();
    // A Struct has each field once, and an empty Struct has no bytes.
    let representable =
        cases.iter().filter(|case| !case.problem.starts_with("given twice") && case.config != "{}");
    assert_messages(representable.filter_map(|case| Some((case, message(&as_struct(&case.config)?)))));
}

#[test]
fn valid_configurations_are_accepted() {
    for config in cases::accepted() {
        assert_eq!(message(config.as_bytes()), "(accepted)", "{config}");
    }
}

#[test]
fn valid_structs_are_accepted() {
    for config in cases::accepted() {
        assert_eq!(message(&as_struct(&config).unwrap()), "(accepted)", "{config}");
    }
}

#[test]
fn no_error_shows_a_secret() {
    for case in cases::refused() {
        let line = message(case.config.as_bytes());
        assert!(NEVER_SHOWN.iter().all(|secret| !line.contains(secret)), "{line}");
    }
}

#[test]
fn no_summary_warning_or_debug_text_shows_a_secret() {
    for config in cases::accepted() {
        let config = parse(config.as_bytes()).unwrap();
        let text = format!("{}{:?}{config:?}", config.summary(), config.warnings());
        assert!(NEVER_SHOWN.iter().all(|secret| !text.contains(secret)), "{text}");
    }
}

#[test]
fn the_path_of_a_field_of_a_service_contains_the_index_of_the_service() {
    // Repeats each case of a single service, as the second of two services.
    let first = r#"{"name":"first","routes":["first"],"backends":["first"]}"#;
    let mut tried = 0;
    for case in cases::refused() {
        let in_service = case.config.starts_with('{')
            && !["services", "Header\":", "keys", "cluster_header", "logOutcome"]
                .iter()
                .any(|name| case.config.contains(name));
        if !in_service || case.path == "(root)" || case.problem.contains("services, clusterHeader") {
            continue;
        }
        let config = format!(r#"{{"services":[{first},{}]}}"#, case.config);
        let error = parse(config.as_bytes()).unwrap_err();
        let expected = case.problem.replace("duplicate of ", "duplicate of services[1].");
        assert_eq!((error.path, error.problem), (format!("services[1].{}", case.path), expected), "{config}");
        tried += 1;
    }
    assert!(tried > 200, "only {tried} cases were of a single service");
}

#[test]
fn numbers_that_only_a_struct_can_contain_are_refused() {
    let value = |kind| prost_types::Value { kind: Some(kind) };
    let config = |weight| {
        let cluster = value(Kind::StringValue("a".to_owned()));
        let weight = value(Kind::NumberValue(weight));
        let fields = [("cluster".to_owned(), cluster), ("weight".to_owned(), weight)];
        let backend = value(Kind::StructValue(Struct { fields: fields.into() }));
        let backends = value(Kind::ListValue(ListValue { values: vec![backend] }));
        Struct { fields: [("backends".to_owned(), backends)].into() }.encode_to_vec()
    };
    for (number, wrong, given) in [
        (f64::NAN, "not an integer", "not a number"),
        (f64::INFINITY, "not an integer", "1e12 or beyond"),
        (f64::NEG_INFINITY, "not an integer", "-1e12 or beyond"),
        (f64::MIN_POSITIVE, "not an integer", "0.000..."),
    ] {
        let problem = format!("{wrong}; allowed: an integer from 0 to 1000; given: {given}");
        let line = format!("config error at backends[0].weight: {problem}");
        assert_eq!(message(&config(number)), line);
    }
    assert_eq!(message(&config(-0.0)), message(&config(0.0)));
}

#[test]
fn a_value_of_no_kind_in_a_struct_is_null() {
    let fields = [("backends".to_owned(), prost_types::Value { kind: None })];
    let bytes = Struct { fields: fields.into() }.encode_to_vec();
    assert!(message(&bytes).ends_with("given: null"), "{}", message(&bytes));
}

#[test]
fn nesting_of_any_depth_is_refused() {
    let lists = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = "{\"backends\":".repeat(100_000);
    for text in [format!("{{\"backends\":{lists}}}"), objects] {
        assert!(
            message(text.as_bytes()).contains("config error at (root): not JSON: recursion limit exceeded")
        );
    }
    let mut value = prost_types::Value { kind: Some(Kind::BoolValue(true)) };
    for _ in 0..1000 {
        value = prost_types::Value { kind: Some(Kind::ListValue(ListValue { values: vec![value] })) };
    }
    let bytes = Struct { fields: [("backends".to_owned(), value)].into() }.encode_to_vec();
    assert!(message(&bytes).contains("config error at (root): not JSON"), "{}", message(&bytes));
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let line = message(b"{\"backends\":[\"\xff\"]}");
    assert!(line.contains("config error at (root): not JSON: invalid unicode code point"), "{line}");
}

#[test]
fn every_truncation_of_a_configuration_is_refused() {
    let whole = r#"{"backends":["a",{"cluster":"b","weight":7}]}"#;
    for end in 0..whole.len() {
        assert!(parse(&whole.as_bytes()[..end]).is_err(), "{}", &whole[..end]);
    }
    let whole = as_struct(whole).unwrap();
    for end in 0..whole.len() {
        assert!(parse(&whole[..end]).is_err(), "the first {end} bytes");
    }
}

#[test]
fn an_error_is_one_line_for_every_input() {
    for text in ["a\nb", "a\r\nb", "é", "\u{2028}", "\u{85}", "\u{1b}[2J", "\u{202e}abc", "\0"] {
        let quoted = serde_json::to_string(text).unwrap();
        for config in [
            format!(r#"{{"name":{quoted}}}"#),
            format!(r"{{{quoted}:1}}"),
            format!(r#"{{"backends":["a",{quoted}]}}"#),
            format!(r#"{{"keys":[{{{quoted}:1}}]}}"#),
        ] {
            let line = message(config.as_bytes());
            let plain = |char: char| char == ' ' || char.is_ascii_graphic();
            assert!(line.chars().all(plain), "{line:?}");
        }
    }
}

#[test]
fn the_host_of_a_probe_is_the_configured_host_or_the_cluster_if_it_is_a_host_name() {
    let host_for = |health_check: &str, cluster: &str| {
        let config = format!(r#"{{"backends":["a"],"healthCheck":{health_check}}}"#);
        let config = parse(config.as_bytes()).unwrap();
        config.services[0].health_check.as_ref().unwrap().host_for(cluster).to_owned()
    };
    assert_eq!(host_for(r#"{"host":"shop.example:8080"}"#, "neg-demo-0"), "shop.example:8080");
    assert_eq!(host_for("{}", "neg-demo-0"), "neg-demo-0");
    assert_eq!(host_for("{}", "shop.default.svc"), "shop.default.svc");
    for cluster in ["outbound|80||shop.default.svc", "shop_0", "shop:80", "default/shop/rule/0"] {
        assert_eq!(host_for("{}", cluster), "session-affinity");
    }
}

#[test]
fn failover_is_off_by_default() {
    let failover = |config: &str| parse(config.as_bytes()).unwrap().services[0].failover;
    assert!(!failover(r#"{"backends":["a"]}"#));
    assert!(!failover(r#"{"backends":["a"],"failover":false}"#));
    assert!(failover(r#"{"backends":["a"],"failover":true}"#));
}

#[test]
fn an_enumeration_accepts_only_text() {
    for affinity_type in [r#"{"NONE":null}"#, r#"["NONE"]"#] {
        let config = format!(r#"{{"backends":["a"],"sessionAffinity":{{"affinityType":{affinity_type}}}}}"#);
        assert!(
            message(config.as_bytes()).contains("sessionAffinity.affinityType: wrong type; "),
            "{config}"
        );
    }
}

#[test]
fn a_list_is_not_accepted_in_place_of_an_object() {
    for config in [r#"[null,"x-a"]"#, r#"{"backends":["a"],"sessionAffinity":["NONE"]}"#] {
        assert!(
            message(config.as_bytes()).contains("wrong type; allowed: an object; given: a list"),
            "{config}"
        );
    }
}

#[test]
fn of_several_errors_the_first_value_that_is_invalid_by_itself_is_reported() {
    // The second service lacks its backends, and the third has a wrong number.
    let config =
        r#"{"services":[{"backends":["a"],"routes":["r"]},{},{"backends":[{"cluster":"a","weight":-1}]}]}"#;
    assert!(message(config.as_bytes()).contains("services[2].backends[0].weight: out of range"), "{config}");
}
