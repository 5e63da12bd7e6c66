//! Configurations of a mebibyte, in the shapes that are the most expensive to read.

use std::fmt::Write as _;

use super::parser::{as_struct, parse};

const MEBIBYTE: usize = 1 << 20;

/// A shape, and whether it is accepted.
struct Shape {
    name: &'static str,
    bytes: Vec<u8>,
    accepted: bool,
}

fn refused(name: &'static str, bytes: impl Into<Vec<u8>>) -> Shape {
    Shape { name, bytes: bytes.into(), accepted: false }
}

fn accepted(name: &'static str, bytes: impl Into<Vec<u8>>) -> Shape {
    Shape { name, bytes: bytes.into(), accepted: true }
}

/// Elements of a list, each made from its index. About a mebibyte in total.
fn elements(element: impl Fn(usize) -> String) -> String {
    let mut list = element(0);
    for index in 1.. {
        if list.len() >= MEBIBYTE {
            break;
        }
        write!(list, ",{}", element(index)).unwrap();
    }
    list
}

/// A text that is repeated up to about a mebibyte.
fn repeated(part: &str) -> String {
    elements(|_| part.to_owned())
}

fn nested(depth: usize) -> String {
    format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
}

fn texts() -> Vec<Shape> {
    let in_service = |fields: &str| format!(r#"{{"backends":["a"],{fields}}}"#);
    let in_affinity = |fields: &str| {
        in_service(&format!(r#""sessionAffinity":{{"affinityType":"GENERATED_COOKIE",{fields}}}"#))
    };
    let key = r#"{"id":"k","secret":"IDMyIGJ5dGVzIHRoYXQgbm9ib2R5IHNoYWxsIHNlZSE="}"#;
    let long = "a".repeat(MEBIBYTE);
    vec![
        refused("unknown fields", in_service(&elements(|index| format!(r#""f{index}":1"#)))),
        refused("a field again and again", format!("{{{}}}", repeated(r#""backends":["a"]"#))),
        refused("an unknown field again and again", format!("{{{}}}", repeated(r#""a":1"#))),
        refused("a field of the wrong type again and again", format!("{{{}}}", repeated(r#""backends":1"#))),
        refused("the name of a cookie again and again", {
            in_affinity(&format!(r#""cookie":{{{}}}"#, repeated(r#""name":"a""#)))
        }),
        refused("nesting, again and again", in_service(&format!(r#""x":[{}]"#, repeated(&nested(100))))),
        refused("nesting in backends, again and again", {
            format!(r#"{{"backends":[{}]}}"#, repeated(&nested(100)))
        }),
        refused("empty lists", format!("[{}]", repeated("[]"))),
        refused("empty objects as services", format!(r#"{{"services":[{}]}}"#, repeated("{}"))),
        refused("one backend again and again", format!(r#"{{"backends":[{}]}}"#, repeated(r#""a""#))),
        refused("a last backend that is the first", {
            format!(r#"{{"backends":[{},"b0"]}}"#, elements(|index| format!(r#""b{index}""#)))
        }),
        refused("backends without a weight", {
            let backends = elements(|index| format!(r#"{{"cluster":"b{index}","weight":0}}"#));
            format!(r#"{{"backends":[{backends}]}}"#)
        }),
        refused("a last backend without a cluster", {
            format!(r#"{{"backends":[{},{{}}]}}"#, elements(|index| format!(r#""b{index}""#)))
        }),
        refused("services of one name", {
            let service = |index| format!(r#"{{"routes":["r{index}"],"backends":["a"]}}"#);
            format!(r#"{{"services":[{}]}}"#, elements(service))
        }),
        refused("one key again and again", in_service(&format!(r#""keys":[{}]"#, repeated(key)))),
        refused("a long text where none belongs", in_service(&format!(r#""name":"{long}""#))),
        refused("a long text as a secret", {
            in_service(&format!(r#""keys":[{{"id":"k","secret":"{long}!"}}]"#))
        }),
        refused("a long name of a field", in_service(&format!(r#""{long}":1"#))),
        refused("a long number", in_service(&format!(r#""rejectStatus":{}"#, "1".repeat(MEBIBYTE)))),
        refused(
            "a long text of escapes",
            in_service(&format!(r#""name":"{}""#, r"\u0000".repeat(MEBIBYTE / 6))),
        ),
        accepted("a long name of a route", in_service(&format!(r#""routes":["{long}"]"#))),
        accepted("backends", format!(r#"{{"backends":[{}]}}"#, elements(|index| format!(r#""b{index}""#)))),
        accepted(
            "routes",
            in_service(&format!(r#""routes":[{}]"#, elements(|index| format!(r#""r{index}""#)))),
        ),
        accepted("services", {
            let service = |index| format!(r#"{{"name":"s{index}","routes":["r{index}"],"backends":["a"]}}"#);
            format!(r#"{{"services":[{}]}}"#, elements(service))
        }),
        accepted("services with cookies", {
            let service = |index| {
                let affinity =
                    format!(r#"{{"affinityType":"GENERATED_COOKIE","cookie":{{"name":"c{index}"}}}}"#);
                format!(
                    r#"{{"name":"s{index}","routes":["r{index}"],"backends":["a"],"sessionAffinity":{affinity}}}"#
                )
            };
            format!(r#"{{"services":[{}]}}"#, elements(service))
        }),
    ]
}

/// A field of a protobuf message: length-delimited.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encode_length_delimiter(value.len(), &mut field).unwrap();
    field.extend(value);
    field
}

/// `Struct.fields` with one entry, whose serialized `Value` is given.
fn entry(name: &str, value: &[u8]) -> Vec<u8> {
    field(1, &[field(1, name.as_bytes()), field(2, value)].concat())
}

fn filled(part: &[u8]) -> Vec<u8> {
    part.repeat(MEBIBYTE / part.len())
}

/// Shapes that only the protobuf encoding has.
fn messages() -> Vec<Shape> {
    let text = field(3, b"a");
    let backend = field(1, &text);
    let list = |elements: &[u8]| field(6, elements);
    let deep = |levels: usize| (0..levels).fold(text.clone(), |value, _| list(&field(1, &value)));
    let numbered = |index: usize| entry(&format!("f{index}"), &text);
    vec![
        accepted("a field again and again", filled(&entry("backends", &list(&backend)))),
        refused("an unknown field again and again", filled(&entry("a", &text))),
        refused("unknown fields", (0..MEBIBYTE / 16).flat_map(numbered).collect::<Vec<_>>()),
        refused("unknown fields backwards", (0..MEBIBYTE / 16).rev().flat_map(numbered).collect::<Vec<_>>()),
        refused("a list in many parts", entry("backends", &filled(&list(&backend)))),
        refused("an object in many parts", {
            entry("sessionAffinity", &filled(&field(5, &entry("a", &text))))
        }),
        refused("a value in many parts of two kinds", {
            entry("backends", &filled(&[list(&backend), field(5, &entry("a", &text))].concat()))
        }),
        refused("an entry with many names", field(1, &[filled(&field(1, b"a")), field(2, &text)].concat())),
        refused(
            "an entry with many values",
            field(1, &[field(1, b"backends"), filled(&field(2, &text))].concat()),
        ),
        refused("a text in many parts", entry("name", &filled(&text))),
        refused("nesting, again and again", entry("backends", &list(&filled(&field(1, &deep(30)))))),
        refused(
            "too much nesting, again and again",
            entry("backends", &list(&filled(&field(1, &deep(100))))),
        ),
        refused("values of no kind", entry("backends", &list(&filled(&field(1, b""))))),
        refused("entries of nothing", filled(&field(1, b""))),
        refused("fields of a later version", filled(&field(9, b"a"))),
        refused("a long text", entry("name", &field(3, &vec![b'a'; MEBIBYTE]))),
    ]
}

#[test]
fn a_mebibyte_of_any_shape_is_accepted_or_refused_with_one_short_line() {
    let texts = texts();
    let as_structs: Vec<Shape> = texts
        .iter()
        .filter(|shape| shape.accepted)
        .map(|shape| accepted(shape.name, as_struct(std::str::from_utf8(&shape.bytes).unwrap()).unwrap()))
        .collect();
    for Shape { name, bytes, accepted } in texts.into_iter().chain(as_structs).chain(messages()) {
        assert!(bytes.len() > MEBIBYTE / 2, "{name} is short: {} bytes", bytes.len());
        let parsed = parse(&bytes);
        let line = parsed.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert_eq!(parsed.is_ok(), accepted, "{name}: {line}");
        assert!(line.len() < 1000, "{name}: {line}");
    }
}
