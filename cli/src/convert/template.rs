//! Fills the templates. A value between `{{` and `}}` becomes YAML on one line, quoted if necessary.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, Output, State, UndefinedBehavior, Value};
use serde::Serialize;

const TEMPLATES: [(&str, &str); 3] = [
    ("envoy", include_str!("envoy.yaml.jinja")),
    ("endpoints", include_str!("endpoints.yaml.jinja")),
    ("kubernetes", include_str!("kubernetes.yaml.jinja")),
];

/// Fills the template with this name.
///
/// # Errors
/// If the template uses an undefined value. The tests exclude this.
pub fn fill(name: &str, values: impl Serialize) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(write_yaml);
    environment.add_filter("comment", |text: &str| Value::from_safe_string(comment(text)));
    environment.add_test("nothing", |value: Value| is_nothing(&value));
    environment.add_filter("block", |text: &str, indent: usize| Value::from_safe_string(block(text, indent)));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    environment.get_template(name)?.render(values)
}

fn write_yaml(out: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let mut text = String::new();
    flow(value, &mut text)?;
    out.write_str(&text).map_err(Error::from)
}

/// A value in YAML's flow style.
fn flow(value: &Value, out: &mut String) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Map => {
            out.push('{');
            let mut separator = "";
            for key in value.try_iter()? {
                let field = value.get_item(&key)?;
                if is_nothing(&field) {
                    continue;
                }
                out.push_str(std::mem::replace(&mut separator, ", "));
                flow(&key, out)?;
                out.push_str(": ");
                flow(&field, out)?;
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (index, item) in value.try_iter()?.enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                flow(&item, out)?;
            }
            out.push(']');
        }
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::String if !value.is_safe() => out.push_str(&scalar(value.as_str().unwrap_or_default())),
        _ => _ = write!(out, "{value}"),
    }
    Ok(())
}

/// Whether a field has no value and is left out.
fn is_nothing(value: &Value) -> bool {
    value.is_none() || value.is_undefined() || (value.kind() == ValueKind::Seq && value.len() == Some(0))
}

/// The text as a YAML scalar, quoted if necessary.
fn scalar(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-@".contains(&byte);
    let begins_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || "/_".contains(first));
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    let is_duration =
        text.strip_suffix('s').is_some_and(|seconds| seconds.bytes().all(|byte| byte.is_ascii_digit()))
            && text.len() > 1;
    let is_address = text.parse::<Ipv4Addr>().is_ok();
    if is_address || is_duration || (begins_well && !is_word && text.bytes().all(is_plain)) {
        return text.to_owned();
    }
    // A JSON string is also a YAML string.
    serde_json::Value::from(text).to_string()
}

/// The text on one line, for a comment.
fn comment(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// The lines, indented by this number of spaces, as in a block scalar.
fn block(text: &str, indent: usize) -> String {
    let indent = " ".repeat(indent);
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{indent}{line}\n") };
    text.lines().map(line).collect()
}
