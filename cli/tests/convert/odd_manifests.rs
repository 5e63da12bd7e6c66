//! Manifests of any shape are converted or refused. The converter never panics.

use std::sync::Arc;

use clap::Parser as _;
use cli::convert::options::Options;
use cli::convert::remarks::Remarks;
use cli::convert::{Output, convert};
use cli::source::Source;

use crate::manifests::gateway::{gateway, manifests, policy, route};
use crate::manifests::{
    all, backend_config, configured, ingress, path, rule, service_with_config, stateful_set,
};
use crate::support::{EXAMPLE, example_directory};

const TO_KUBERNETES: &[&str] = &["gke", "all.yaml"];
const TO_ENVOY: &[&str] = &["gke", "all.yaml", "--to", "envoy"];
const WITH_FILES: &[&str] = &["gke", "all.yaml", "--to", "envoy", "--eds", "eds"];

fn converted(text: &str, arguments: &[&str]) -> (Option<Output>, Remarks) {
    let source = Source { name: "all.yaml".to_owned(), text: text.to_owned() };
    let mut remarks = Remarks::default();
    let output = convert(&[Arc::new(source)], &Options::parse_from(arguments), &mut remarks).unwrap();
    (output, remarks)
}

/// Words of serde and of the parser that only a programmer understands.
const PARSER_WORDS: [&str; 7] =
    ["invalid type", "Option<", "string scalar", "variant", "deserialize", "struct ", "must be quoted"];

/// Asserts that the manifests give a configuration, or errors that can be shown.
fn is_answered(text: &str, arguments: &[&str]) {
    let (output, remarks) = converted(text, arguments);
    assert_eq!(output.is_none(), remarks.errors() > 0, "{text}\n{remarks:?}");
    for remark in remarks.all() {
        assert!(!PARSER_WORDS.iter().any(|word| remark.message.contains(word)), "{text}\n{remark:?}");
        assert!(!remark.render(&annotate_snippets::Renderer::plain()).is_empty());
    }
}

/// Manifests with nearly every field that the converter reads.
fn rich() -> String {
    let probe =
        "        readinessProbe: {httpGet: {path: r, port: http, httpHeaders: [{name: Host, value: h}]}}\n";
    let spec = "{sessionAffinity: {affinityType: GENERATED_COOKIE, affinityCookieTtlSec: 50}, timeoutSec: 7, \
                healthCheck: {checkIntervalSec: 5, timeoutSec: 5, requestPath: /, type: HTTP, port: 81}, \
                customRequestHeaders: {headers: ['A: {client_port}']}, logging: {enable: true, sampleRate: 0.5}, \
                cdn: {enabled: true}, iap: {enabled: true}, securityPolicy: {name: x}, connectionDraining: \
                {drainingTimeoutSec: 9}}";
    let rules = [
        rule("a.example", &[path("/x/*", "ImplementationSpecific", "app"), path("/y", "Prefix", "app")]),
        rule("", &[path("/z", "Exact", "app")]),
    ];
    let ingress = ingress(&format!(
        "{{rules: [{}], tls: [{{secretName: s}}], defaultBackend: {{service: {{name: app, port: {{number: 80}}}}}}}}",
        rules.join(", ")
    ));
    all(&[stateful_set("app", 2) + probe, service_with_config("app"), backend_config("app", spec), ingress])
}

/// Manifests of a Gateway with nearly every field that the converter reads.
fn rich_gateway() -> String {
    let rules = [
        "{matches: [{path: {type: Exact, value: /e}, method: POST}, {path: {type: RegularExpression, value: '/v[0-9]+'}, \
         headers: [{name: h, value: one}], queryParams: [{type: RegularExpression, name: q, value: 'a|b'}]}], filters: \
         [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: '100%'}], add: [{name: b, value: \
         c}], remove: [d]}}, {type: URLRewrite, urlRewrite: {hostname: in.example, path: {type: ReplacePrefixMatch, \
         replacePrefixMatch: /new}}}], backendRefs: [{name: app, port: 80, weight: 3}, {name: other, port: 80}], \
         timeouts: {request: 10s, backendRequest: 2s}}",
        "{matches: [{path: {value: /old}}], filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: \
         [{name: e, value: f}]}}, {type: RequestRedirect, requestRedirect: {scheme: https, hostname: new.example, port: \
         8443, path: {type: ReplaceFullPath, replaceFullPath: /new}, statusCode: 302}}]}",
    ];
    let settings = "{sessionAffinity: {type: GENERATED_COOKIE, cookieTtlSec: 50}, timeoutSec: 7, logging: {enabled: \
                    true, sampleRate: 5}, iap: {enabled: true}, securityPolicy: armor, connectionDraining: \
                    {drainingTimeoutSec: 9}}";
    let health = "{checkIntervalSec: 4, timeoutSec: 2, config: {type: HTTP, httpHealthCheck: {requestPath: /h, host: \
                  h.example, port: 8081}}}";
    let listeners = "[{name: http, protocol: HTTP, port: 80, hostname: '*.example', allowedRoutes: {namespaces: {from: \
                     All}, kinds: [{kind: HTTPRoute}]}}, {name: https, protocol: HTTPS, port: 443}]";
    let others = [
        gateway(listeners),
        route("web", "[a.example, '*.b.example']", &rules),
        policy("GCPBackendPolicy", "app", settings),
        policy("HealthCheckPolicy", "app", health),
    ];
    manifests(&["app", "other"], &others)
        .replace("targetPort: 8080", "targetPort: 8080\n    appProtocol: kubernetes.io/h2c")
}

#[test]
fn a_file_that_ends_anywhere_is_converted_or_refused() {
    let example = EXAMPLE.map(|name| std::fs::read_to_string(example_directory().join(name)).unwrap() + "\n");
    for text in [all(&example), rich(), rich_gateway()] {
        is_answered(&text, TO_KUBERNETES);
        is_answered(&text, WITH_FILES);
        for end in 0..text.len() {
            is_answered(&text[..end], TO_ENVOY);
        }
    }
}

#[test]
fn any_value_in_the_place_of_another_is_converted_or_refused() {
    let odd = ["null", "-1", "18446744073709551616", "true", "[[{}]]", "{a: b}", "\"\\n# x: y\""];
    for text in [rich(), rich_gateway()] {
        with_odd_words(&text, &odd);
    }
}

/// Replaces every word at every position: names of fields, values, and quoted texts.
fn with_odd_words(text: &str, odd: &[&str]) {
    let is_word = |character: char| character.is_ascii_alphanumeric() || "/._-*".contains(character);
    let mut start = 0;
    while let Some(begin) = text[start..].find(is_word).map(|offset| start + offset) {
        let end =
            text[begin..].find(|character| !is_word(character)).map_or(text.len(), |offset| begin + offset);
        for value in odd {
            is_answered(&format!("{}{value}{}", &text[..begin], &text[end..]), TO_ENVOY);
        }
        start = end;
    }
}

#[test]
fn text_of_a_manifest_cannot_change_the_structure_of_the_configuration() {
    let value = "b\"}}] # c: {d, 'e': %f%";
    let spec = format!("{{customRequestHeaders: {{headers: ['X-A: {}']}}}}", value.replace('\'', "''"));
    let (output, remarks) = converted(&configured(&spec), &["gke", "a file\nadmin: {}", "--to", "envoy"]);
    let text = output.unwrap_or_else(|| panic!("{remarks:?}")).text;
    assert!(!text.contains("\nadmin: {}"), "{text}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("envoy.yaml");
    std::fs::write(&file, &text).unwrap();
    let written = harness::shipped::read(&file).unwrap().to_string();
    let escaped = serde_json::json!(value.replace('%', "%%")).to_string();
    assert!(written.contains(&format!("{{\"key\":\"X-A\",\"value\":{escaped}}}")), "{text}");
}
