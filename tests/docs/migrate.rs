//! The configurations in docs/migrate.md and docs/migrate-cloud.md, including those in tables.

mod run;

use std::fs;

use harness::workspace_root;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use serde_json::{Map, Value};

use crate::plugin::{completed, verdict};

/// The contents of a file.
#[derive(Default)]
struct Document {
    /// Code blocks in YAML or JSON: whole configurations.
    blocks: Vec<String>,
    /// Code in the last cell of each row of a table: parts of configurations.
    parts: Vec<String>,
    /// Code in the first cell of each row.
    settings: Vec<String>,
}

/// The position of the parser in a table.
#[derive(Default)]
struct Place {
    columns: usize,
    cell: usize,
    in_body: bool,
}

fn guide() -> Document {
    let text = |page: &str| fs::read_to_string(workspace_root().join("docs").join(page)).unwrap();
    read(&(text("migrate.md") + &text("migrate-cloud.md")))
}

fn read(text: &str) -> Document {
    let (mut document, mut place, mut block) = (Document::default(), Place::default(), None);
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Table(columns)) => place.columns = columns.len(),
            Event::Start(Tag::TableRow) => (place.cell, place.in_body) = (0, true),
            Event::End(TagEnd::TableCell) => place.cell += 1,
            Event::End(TagEnd::TableRow) => place.in_body = false,
            Event::Code(code) if place.in_body && place.cell + 1 == place.columns => {
                document.parts.push(code.into_string());
            }
            Event::Code(code) if place.in_body && place.cell == 0 => {
                document.settings.push(code.into_string());
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language)))
                if ["yaml", "json"].contains(&&*language) =>
            {
                block = Some(String::new());
            }
            Event::Text(line) => {
                if let Some(block) = &mut block {
                    block.push_str(&line);
                }
            }
            Event::End(TagEnd::CodeBlock) => document.blocks.extend(block.take()),
            _ => {}
        }
    }
    document
}

/// The smallest configuration that contains this part. None if the code is only a word, or belongs to Envoy's
/// configuration.
fn around(part: &str) -> Option<Value> {
    if !part.contains(": ") {
        return None;
    }
    let fields: Result<Map<String, Value>, _> = serde_saphyr::from_str(&format!("{{{part}}}"));
    let fields = fields.unwrap_or_else(|error| panic!("{part}: {error}"));
    // Envoy's own fields.
    if fields.keys().all(|name| name.contains('_') || name == "strict") {
        return None;
    }
    Some(completed(fields))
}

/// The code blocks that are whole configurations. The others are Envoy's routes.
fn whole_configurations(document: &Document) -> Vec<Value> {
    let blocks = document.blocks.iter().map(|block| serde_saphyr::from_str::<Value>(block).unwrap());
    blocks.filter(|block| block.get("routes").is_none()).collect()
}

#[test]
fn every_configuration_in_the_migration_guide_is_accepted() {
    let configurations = whole_configurations(&guide());
    for configuration in &configurations {
        assert_eq!(verdict(configuration), Ok(()), "{configuration}");
    }
    assert!(configurations.len() >= 11, "{}", configurations.len());
}

#[test]
fn every_setting_that_the_migration_guide_names_is_one_of_this_filter() {
    let parts: Vec<Value> = guide().parts.iter().filter_map(|part| around(part)).collect();
    for configuration in &parts {
        assert_eq!(verdict(configuration), Ok(()), "{configuration}");
    }
    assert!(parts.len() >= 180, "{}", parts.len());
}

#[test]
fn a_field_that_does_not_exist_would_be_found() {
    for part in ["cokie: {name: a}", "cookie: {nam: a}", "affinityType: STICKY", "onUnavailable: MOVE"] {
        assert!(verdict(&around(part).unwrap()).is_err(), "{part}");
    }
}

/// Asserts that each of these texts is a separate word in the first column of a table.
fn assert_named(settings: &[&str]) {
    let guide = guide();
    let ends = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric() && letter != '-');
    for setting in settings {
        let names = |code: &String| {
            code.match_indices(setting).any(|(start, _)| {
                let (before, after) = (&code[..start], &code[start + setting.len()..]);
                ends(before.chars().next_back()) && ends(after.chars().next())
            })
        };
        assert!(guide.settings.iter().any(names), "{setting}");
    }
}

#[test]
fn every_annotation_of_ingress_nginx_about_affinity_is_in_the_migration_guide() {
    assert_named(&[
        "affinity",
        "affinity-mode",
        "affinity-canary-behavior",
        "session-cookie-change-on-failure",
        "session-cookie-conditional-samesite-none",
        "session-cookie-domain",
        "session-cookie-expires",
        "session-cookie-max-age",
        "session-cookie-name",
        "session-cookie-path",
        "session-cookie-samesite",
        "session-cookie-secure",
    ]);
}

#[test]
fn every_parameter_of_nginx_sticky_and_every_keyword_of_haproxy_cookie_is_in_the_migration_guide() {
    assert_named(&[
        "sticky cookie",
        "expires=1h",
        "domain=",
        "httponly",
        "samesite=strict",
        "secure",
        "path=",
    ]);
    assert_named(&[
        "sticky route",
        "sticky learn",
        "create=",
        "lookup=",
        "zone=name",
        "timeout=10m",
        "header",
        "sync",
    ]);
    assert_named(&[
        "cookie SRV insert",
        "cookie SRV rewrite",
        "cookie JSESSIONID prefix",
        "indirect",
        "nocache",
    ]);
    assert_named(&["postonly", "preserve", "domain example.com", "maxidle", "maxlife", "dynamic", "attr"]);
}

#[test]
fn every_field_of_the_other_proxies_affinity_is_in_the_migration_guide() {
    // Traefik's sticky cookie.
    assert_named(&["name: lb", "httpOnly", "sameSite", "maxAge", "path: /shop", "domain: example.com"]);
    // Contour's load balancer policies.
    assert_named(&["strategy: Cookie", "strategy: RequestHash", "headerHashOptions", "hashSourceIP"]);
    assert_named(&["queryParameterHashOptions", "requestHashPolicies", "healthCheckPolicy"]);
    // Caddy's policies, and the options of the cookie policy.
    assert_named(&["lb_policy cookie session secret", "max_age", "fallback", "client_ip_hash", "ip_hash"]);
    assert_named(&["lb_policy header", "lb_policy query", "uri_hash"]);
    // AWS target groups.
    assert_named(&["stickiness.enabled", "stickiness.type", "stickiness.lb_cookie.duration_seconds"]);
    assert_named(&["stickiness.app_cookie.cookie_name", "stickiness.app_cookie.duration_seconds"]);
    // Istio's consistentHash.
    assert_named(&[
        "httpCookie",
        "ttl",
        "attributes",
        "httpHeaderName",
        "httpQueryParameterName",
        "useSourceIp",
    ]);
    assert_named(&["ringHash", "maglev", "minimumRingSize"]);
    // Envoy's hash policies and stateful_session.
    assert_named(&[
        "header_name",
        "regex_rewrite",
        "source_ip",
        "query_parameter",
        "filter_state",
        "terminal",
    ]);
    assert_named(&["envoy.http.stateful_session.cookie", "envoy.http.stateful_session.header", "strict"]);
    assert_named(&["envoy.http.stateful_session.envelope"]);
    // The Gateway API's sessionPersistence.
    assert_named(&["sessionName", "absoluteTimeout", "idleTimeout", "type: Cookie", "type: Header"]);
    assert_named(&["cookieConfig", "lifetimeType"]);
    // Google Cloud.
    assert_named(&[
        "CLIENT_IP",
        "CLIENT_IP_PROTO",
        "CLIENT_IP_PORT_PROTO",
        "CLIENT_IP_NO_DESTINATION",
        "NONE",
    ]);
    assert_named(&["GENERATED_COOKIE", "HTTP_COOKIE", "HEADER_FIELD", "STRONG_COOKIE_AFFINITY"]);
    assert_named(&["affinityCookieTtlSec", "strongSessionAffinityCookie", "consistentHash"]);
}
