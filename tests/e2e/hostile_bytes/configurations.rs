//! Hostile plugin configurations.

use base64ct::{Base64, Encoding as _};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use serde_json::{Value, json};

use super::Dice;
use crate::ecds::Live;
use crate::support::{bootstrap, names, pods};
use crate::workers::assert_no_vm_failed;

const MEBIBYTE: usize = 1 << 20;

fn any(kind: &str, value: &Value) -> Value {
    json!({ "@type": format!("type.googleapis.com/google.protobuf.{kind}"), "value": value })
}

fn text(text: &str) -> Value {
    any("StringValue", &json!(text))
}

fn bytes(bytes: &[u8]) -> Value {
    any("BytesValue", &json!(Base64::encode_string(bytes)))
}

/// A length-delimited field of a protobuf message.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        field.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).unwrap());
    field.extend(value);
    field
}

/// A serialized `google.protobuf.Struct` with one field, whose serialized `Value` is given.
fn a_struct(name: &str, value: &[u8]) -> Vec<u8> {
    field(1, &[field(1, name.as_bytes()), field(2, value)].concat())
}

/// A Struct of this depth, or a list of this depth in a Struct.
fn deep_struct(depth: usize) -> Vec<u8> {
    let innermost = field(3, b"a");
    let value = (0..depth).fold(innermost, |value, _| field(5, &a_struct("a", &value)));
    a_struct("sessionAffinity", &value)
}

fn deep_list(depth: usize) -> Vec<u8> {
    let innermost = field(3, b"a");
    let value = (0..depth).fold(innermost, |value, _| field(6, &field(1, &value)));
    a_struct("backends", &value)
}

fn empty() -> Vec<Value> {
    vec![Value::Null, text(""), bytes(b""), any("Struct", &json!({})), any("Empty", &json!({}))]
}

fn large() -> Vec<Value> {
    let mut dice = Dice(1);
    let random: String = (0..MEBIBYTE).map(|_| char::from(b"0Az+"[dice.roll(4)])).collect();
    let mut large: Vec<Value> = ["{", "[", "{\"a\":", "\"", "1", " ", "\\u0000"]
        .map(|part| text(&part.repeat(MEBIBYTE / part.len())))
        .into();
    let long = "a".repeat(MEBIBYTE);
    let odd = "\"\\\n\u{1}\u{fffd}".repeat(MEBIBYTE / 8);
    large.extend([
        text(&json!({ "sessionAffinity": { "affinityType": odd }, "backends": ["a"] }).to_string()),
        text(&json!({ &long: 1 }).to_string()),
        text(&json!({ &odd: 1 }).to_string()),
        text(&json!({ "backends": [long] }).to_string()),
        text(&json!({ "backends": ["a"], "keys": [{ "id": "a", "secret": odd }] }).to_string()),
        any("Struct", &json!({ &odd: 1, "backends": [long] })),
    ]);
    // 0x0a in every byte begins a Struct as well.
    large.extend(["CgoK".repeat(MEBIBYTE / 3), random].map(|base64| any("BytesValue", &json!(base64))));
    large.push(bytes(&a_struct("backends", &field(3, &vec![0xff; MEBIBYTE / 4]))));
    large
}

fn deep() -> Vec<Value> {
    let mut deep = Vec::new();
    for depth in [10, 100, 126, 127, 128, 129, 1000, 100_000] {
        let object = format!("{{\"sessionAffinity\":{}1{}}}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let list = format!("{{\"backends\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        deep.extend([text(&object), text(&list)]);
    }
    for depth in [10, 24, 25, 32, 33, 48, 49, 50, 98, 99, 100, 1000, 3000] {
        deep.extend([bytes(&deep_struct(depth)), bytes(&deep_list(depth))]);
    }
    let within = (0..12).fold(json!(1), |value, _| json!({ "a": [value] }));
    deep.push(any("Struct", &json!({ "sessionAffinity": within })));
    deep
}

/// A valid Struct, cut off or with wrong lengths.
fn broken_structs() -> Vec<Value> {
    let list = field(6, &field(1, &field(3, b"neg-demo-0")));
    let affinity = field(5, &a_struct("affinityType", &field(3, b"CLIENT_IP")));
    let whole = [a_struct("sessionAffinity", &affinity), a_struct("backends", &list)].concat();
    let mut broken: Vec<Value> = (1..whole.len()).step_by(3).map(|end| bytes(&whole[..end])).collect();
    for place in (1..whole.len()).step_by(5) {
        let mut lie = whole.clone();
        lie[place] = 0xff;
        broken.push(bytes(&lie));
    }
    broken.push(bytes(&[&whole[..], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat()));
    broken
}

#[tokio::test]
async fn a_start_without_a_configuration_is_refused_with_a_config_error() {
    for bootstrap in [
        Bootstrap::new().filter_unconfigured(),
        Bootstrap::new().filter_text(""),
        Bootstrap::new().filter_bytes(b""),
        Bootstrap::new().filter_struct(&json!({})),
    ] {
        let log = Envoy::expect_refusal(&bootstrap.build()).await.unwrap();
        assert!(log.contains("config error at (root): "), "{log}");
        assert!(!log.contains("Function: "), "{log}");
    }
}

/// An Envoy with a good configuration, which needs no pod.
async fn serving() -> Live {
    let ok = json!({ "match": { "prefix": "/" }, "direct_response": { "status": 200 } });
    Live::start(Bootstrap::new().route(ok), &json!({ "backends": ["a"] })).await
}

async fn each_is_refused(configurations: &[Value]) {
    let live = serving().await;
    for configuration in configurations {
        let logged = live.envoy.log().len();
        live.expect_refusal(configuration).await;
        let shown: String = configuration["value"].as_str().unwrap_or_default().chars().take(100).collect();
        let log = live.envoy.log();
        let errors: Vec<&str> =
            log[logged..].lines().filter(|line| line.contains("config error at ")).collect();
        assert_eq!(errors.len(), 1, "{shown}");
        assert!(errors[0].len() < 1000, "{shown}");
    }
    assert_no_vm_failed(&live.envoy).await;
}

#[tokio::test]
async fn an_empty_configuration_is_an_error_and_harms_no_vm() {
    let live = serving().await;
    for configuration in empty() {
        live.expect_refusal(&configuration).await;
    }
    // Before 1.40, Envoy recognizes a refused configuration by its bytes: only the first copy reaches the filter.
    let error = "config error at (root): no configuration";
    assert!(live.envoy.log().contains(error), "{}", live.envoy.log_excerpt());
    assert_no_vm_failed(&live.envoy).await;
}

#[tokio::test]
async fn a_mebibyte_of_nonsense_is_one_short_error_and_harms_no_vm() {
    each_is_refused(&large()).await;
}

#[tokio::test]
async fn a_configuration_nested_however_deep_is_an_error_and_harms_no_vm() {
    each_is_refused(&deep()).await;
}

#[tokio::test]
async fn a_broken_struct_is_an_error_and_harms_no_vm() {
    each_is_refused(&broken_structs()).await;
}

#[tokio::test]
async fn a_good_configuration_of_a_mebibyte_is_served() {
    let pods = pods(2);
    let small =
        json!({ "sessionAffinity": { "affinityType": "GENERATED_COOKIE" }, "backends": names(&pods) });
    let mut live = Live::start(bootstrap(&pods), &small).await;
    let mut large = small.clone();
    let backends = large["backends"].as_array_mut().unwrap();
    backends.extend((0..20_000).map(|index| json!({ "cluster": format!("draining-{index}"), "weight": 0 })));
    let routes: Vec<String> = (0..20_000).map(|index| format!("route-{index}")).collect();
    let service = json!({ "name": "other", "routes": routes, "backends": ["neg-demo-0"] });
    large["name"] = json!("default");
    let large = json!({ "services": [large, service] });
    assert!(large.to_string().len() > MEBIBYTE);
    live.update(&large).await;
    live.update(&small).await;
    assert_no_vm_failed(&live.envoy).await;
}
