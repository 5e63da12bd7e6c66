//! Errors and warnings of the filter itself about its configuration, with help.

use session_affinity::config::{Config, ConfigError};

use super::merge_keys;
use super::plugin::Plugin;
use super::redact::is_variable;
use super::report::Report;
use crate::diagnostic::Level;
use crate::suggest::nearest;
use crate::yaml::Node;

/// Reports a form that Envoy refuses, and the filter's error about its configuration or the filter's warnings.
pub fn check(plugin: &Plugin<'_>, report: &mut Report) {
    if let Some(error) = &plugin.form_error {
        report.error(error.at, error.message, error.help);
        if plugin.is_empty() {
            return;
        }
    }
    match &plugin.config {
        Ok(config) => warnings(plugin, config, report),
        // `merge_keys` reports the merge key.
        Err(error) if plugin.has_yaml_for_envoy() && merge_keys::is_cause(error) => {}
        Err(error) => {
            let help = help(plugin, error);
            report.add(Level::Error, plugin.place_of_error(error), error.to_string(), help);
        }
    }
}

/// Reports the filter's warnings, except the warning about missing keys, because a first configuration has no keys.
fn warnings(plugin: &Plugin<'_>, config: &Config, report: &mut Report) {
    for warning in config.warnings() {
        if warning.contains("without keys") {
            continue;
        }
        let service = config.services.iter().position(|service| {
            let words = format!("service {}: ", service.name);
            warning.starts_with(&words)
        });
        let within = service.map(|index| plugin.service_path(index)).unwrap_or_default();
        let (path, help) = if warning.contains("idleTimeoutSec") {
            (
                "sessionAffinity.idleTimeoutSec",
                "leave `idleTimeoutSec` out, or have the application send its header with each response",
            )
        } else if warning.contains("affinityCookieTtlSec") {
            (
                "sessionAffinity.affinityCookieTtlSec",
                "leave `affinityCookieTtlSec` out, or write `affinityType: GENERATED_COOKIE`",
            )
        } else if warning.contains("endpointHeader") {
            ("endpointHeader", "leave `endpointHeader` out, or write `pin: ENDPOINT`")
        } else {
            ("keys", "leave `keys` out, or write `affinityType: GENERATED_COOKIE`")
        };
        report.add(Level::Warning, plugin.place(&format!("{within}{path}")), warning, help);
    }
}

/// The help for an error: what to write instead.
fn help(plugin: &Plugin<'_>, error: &ConfigError) -> String {
    let problem = error.problem();
    let (wrong, rest) = problem.split_once("; allowed: ").unwrap_or((problem, ""));
    let (allowed, given) = rest.rsplit_once("; given: ").unwrap_or((rest, ""));
    let is_text = given.starts_with('"');
    let given = given.trim_matches('"');
    let field = error.path().rsplit('.').next().unwrap_or_default();
    if let Some(example) = example(error.path(), wrong, allowed, given, is_text) {
        return format!("write `{example}`");
    }
    match wrong {
        "no configuration" => {
            "write a `configuration`, for example `{\"@type\": type.googleapis.com/google.protobuf.Struct, \
             value: {sessionAffinity: {affinityType: GENERATED_COOKIE}, backends: [CLUSTER]}}`"
                .to_owned()
        }
        "unknown field" => match nearest(given, allowed.split(", ")) {
            Some(name) => format!("write `{name}`, or take the field away"),
            None if given == "routes" || given == "backends" => {
                format!("take the field away; it belongs to a service; allowed here: {allowed}")
            }
            None => format!("take the field away; allowed here: {allowed}"),
        },
        "unknown value" => match nearest(given, allowed.split(", ")) {
            Some(word) => format!("write `{field}: {word}`"),
            None => format!("write one of {allowed}"),
        },
        "given twice" => format!("write `{field}` once"),
        "given beside services" => format!("move `{field}` into one of the `services`"),
        "not set" => match variable(plugin, error) {
            Some(name) => format!("write {}", plugin.kind.host_variable(&name)),
            None => format!("write the name of {allowed}"),
        },
        _ if wrong.starts_with("missing, and ") => {
            "write in each service the names of the routes that it serves, for example `routes: [api]`; only \
             one service may leave `routes` out, and serves all other routes"
                .to_owned()
        }
        _ if wrong.starts_with("duplicate of")
            && field == "name"
            && error.path().ends_with("cookie.name") =>
        {
            let service = error.path().split(".sessionAffinity").next().unwrap_or_default();
            let name = plugin.node(&format!("{service}.name")).and_then(Node::text).unwrap_or("SERVICE");
            format!(
                "write a unique name for the cookie of this service, for example `cookie: {{name: GCLB-{name}}}`"
            )
        }
        _ if wrong.starts_with("duplicate of") => format!("write {allowed}"),
        "missing" | "empty" if field == "backends" => {
            "write `backends: [CLUSTER]` with the names of Envoy's clusters".to_owned()
        }
        "needs keys: the token holds an address" => {
            "write `keys: [{id: k1, env: SESSION_AFFINITY_KEY}]`, and the variable in `host_env_keys`"
                .to_owned()
        }
        _ if wrong.starts_with("not JSON") => {
            "write JSON text, or use google.protobuf.Struct and write plain YAML under `value`".to_owned()
        }
        _ if allowed.starts_with("left out") || allowed.starts_with("only with") => {
            format!("leave `{field}` out ({allowed})")
        }
        "wrong type" if is_words(allowed) => format!("write one of {allowed}"),
        _ => format!("write {allowed}"),
    }
}

/// Whether the allowed values are several words such as `ALWAYS`.
fn is_words(allowed: &str) -> bool {
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    allowed.contains(", ") && allowed.split(", ").all(is_word)
}

/// The field as it should be, if it follows from what is given.
fn example(path: &str, wrong: &str, allowed: &str, given: &str, is_text: bool) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let text = Some(given).filter(|given| is_text && !given.is_empty() && given.bytes().all(is_plain));
    let is_word = |text: &str| text == "/" || !text.is_empty() && text.bytes().all(is_plain);
    let field = path.rsplit('.').next().unwrap_or_default();
    let fields = match (field, wrong) {
        ("keys", "wrong type") => "[{id: k1, env: SESSION_AFFINITY_KEY}]".to_owned(),
        ("backends" | "routes", "wrong type") => {
            let other = if field == "backends" { "{cluster: NAME, weight: 1}" } else { "NAME" };
            format!("[{}]", text.unwrap_or(other))
        }
        ("header" | "queryParameter" | "cookie", "wrong type") => {
            format!("{{name: {}}}", text.unwrap_or("NAME"))
        }
        ("header", "missing") => "{name: X-User}".to_owned(),
        ("sessionAffinity", "wrong type") => {
            format!("{{affinityType: {}}}", text.unwrap_or("GENERATED_COOKIE"))
        }
        ("id", "wrong type") if path.starts_with("keys[") => "k1".to_owned(),
        ("secure", "wrong type") => (if given == "false" { "NEVER" } else { "ALWAYS" }).to_owned(),
        _ if path.starts_with("keys[") && path.ends_with(']') && wrong == "wrong type" => {
            return Some("{id: k1, env: SESSION_AFFINITY_KEY}".to_owned());
        }
        // A single word is the only value.
        _ if field.bytes().all(is_plain) && is_word(allowed) => allowed.to_owned(),
        _ => return None,
    };
    Some(format!("{field}: {fields}"))
}

/// The name of the variable that is not set. `None` if the name may be a misplaced secret.
fn variable(plugin: &Plugin<'_>, error: &ConfigError) -> Option<String> {
    let name = plugin.node(error.path())?.text()?;
    is_variable(name).then(|| name.to_owned())
}
