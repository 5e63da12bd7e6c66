//! Rules of `HTTPRoute`s that Envoy or GKE would refuse, or that do not fit into one listener.

use std::process::Stdio;

use harness::client::Client;
use serde_json::{Value, json};

use crate::manifests::gateway::{gateway, manifests, plain_gateway, policy, route, rule, to};
use crate::support::{Written, convert, convert_with, run_as_is};

const COOKIE: &str = "{sessionAffinity: {type: GENERATED_COOKIE}}";
const BOTH: &str = "[{name: http, protocol: HTTP, port: 80}, {name: https, protocol: HTTPS, port: 443}]";
const TO_HTTPS: &str =
    "filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]";

/// A Gateway with one `HTTPRoute`, and the Services a and b.
fn with_rules(rules: &[&str]) -> String {
    manifests(&["a", "b"], &[plain_gateway(), route("web", "[]", rules)])
}

async fn written(rules: &[&str]) -> Written {
    convert(&with_rules(rules)).written().await
}

/// The only error, without its line.
fn error(manifests: &str) -> String {
    let mut errors = convert(manifests).errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0).split_once(": ").unwrap().1.to_owned()
}

fn listener(name: &str, route: &str) -> String {
    route.replace("{name: main}", &format!("{{name: main, sectionName: {name}}}"))
}

/// The reports of settings that are not carried over, except the report of the HTTPS listener.
fn warnings(written: &Written) -> Vec<String> {
    let mut all = written.not_carried_over();
    all.retain(|told| !told.contains("].protocol: "));
    all
}

#[test]
fn a_gateway_that_sends_no_request_to_a_service_is_an_error() {
    let nothing =
        "metadata.name: error: no request is sent to a Service, so there is nothing for the filter to do; ";
    for rule in [format!("{{{TO_HTTPS}}}"), "{}".to_owned()] {
        assert!(error(&with_rules(&[&rule])).starts_with(nothing), "{rule}");
    }
}

#[test]
fn a_redirect_with_backends_is_an_error() {
    let wanted = "spec.rules[0]: error: a rule with a RequestRedirect sends no request to its backends; ";
    assert!(error(&with_rules(&[&format!("{{{TO_HTTPS}, {}}}", to("a"))])).starts_with(wanted));
}

#[tokio::test]
async fn a_service_that_is_a_backend_twice_gets_the_sum_of_its_weights() {
    let twice = "{backendRefs: [{name: a, port: 80}, {name: a, port: 80}]}";
    assert_eq!(written(&[twice]).await.service()["backends"], json!(["a-0"]));
    let three = "{backendRefs: [{name: a, port: 80, weight: 2}, {name: b, port: 80}, {name: a, port: 80, weight: 3}]}";
    let wanted = json!([{ "cluster": "a-0", "weight": 5 }, { "cluster": "b-0", "weight": 1 }]);
    assert_eq!(written(&[three]).await.service()["backends"], wanted);
}

#[tokio::test]
async fn equal_splits_of_one_route_are_one_service_with_one_cookie() {
    let split = |path: &str, weight: u32| {
        let backends =
            format!("backendRefs: [{{name: a, port: 80, weight: {weight}}}, {{name: b, port: 80}}]");
        rule(&format!("{{path: {{value: {path}}}}}"), &backends)
    };
    let rules = [split("/one", 1), split("/two", 1), split("/three", 3)];
    let others = [
        plain_gateway(),
        route("web", "[]", &rules.each_ref().map(|rule| &**rule)),
        policy("GCPBackendPolicy", "a", COOKIE),
        policy("GCPBackendPolicy", "b", COOKIE),
    ];
    let written = convert(&manifests(&["a", "b"], &others)).written().await;
    let names: Vec<&Value> = written.services().iter().map(|service| &service["name"]).collect();
    assert_eq!(names, ["web_split", "web_split_2"]);
}

#[tokio::test]
async fn a_change_of_the_host_header_is_reported_and_left_out() {
    for (change, field) in [
        ("set: [{name: Host, value: x.example}, {name: x-a, value: b}]", "set[0].name"),
        ("add: [{name: host, value: x.example}, {name: x-a, value: b}]", "add[0].name"),
        ("remove: [Host, x-a]", "remove[0]"),
    ] {
        for modifier in ["request", "response"] {
            let kind = format!("{}{}HeaderModifier", modifier[..1].to_uppercase(), &modifier[1..]);
            let filter = format!("{{type: {kind}, {modifier}HeaderModifier: {{{change}}}}}");
            let written = written(&[&format!("{{filters: [{filter}], {}}}", to("a"))]).await;
            let wanted = format!(
                "spec.rules[0].filters[0].{modifier}HeaderModifier.{field}: not carried over: Envoy does not allow a \
                 change of this header; write a URLRewrite filter with a `hostname`"
            );
            let told = written.not_carried_over();
            assert!(told.len() == 1 && told[0].ends_with(&wanted), "{told:?}");
            assert!(written.text.contains("x-a") && !written.text.contains("x.example"), "{}", written.text);
        }
    }
}

#[test]
fn a_match_that_envoy_refuses_is_an_error() {
    let matching = |one: &str| error(&with_rules(&[&rule(one, &to("a"))]));
    let regex = |value: &str| matching(&format!("{{path: {{type: RegularExpression, value: \"{value}\"}}}}"));
    let field = "spec.rules[0].matches[0].path.value: error: ";
    let help = "write a regular expression in the syntax of RE2";
    assert_eq!(regex("/a(b"), format!("{field}not a regular expression: \"/a(b\": unclosed group; {help}"));
    assert_eq!(regex(""), format!("{field}not a regular expression: \"\": it is empty; {help}"));
    assert!(regex("/(?=a)").starts_with(&format!("{field}not a regular expression: ")));
    for list in ["headers", "queryParams"] {
        let told = matching(&format!("{{{list}: [{{type: RegularExpression, name: x, value: \"[\"}}]}}"));
        let wanted = format!("spec.rules[0].matches[0].{list}[0].value: error: not a regular expression: ");
        assert!(told.starts_with(&wanted), "{told}");
    }
    for list in ["headers", "queryParams"] {
        let told = matching(&format!("{{{list}: [{{name: \"x y\", value: z}}]}}"));
        let wanted = format!("spec.rules[0].matches[0].{list}[0].name: error: not a name: \"x y\"; ");
        assert!(told.starts_with(&wanted), "{told}");
    }
    for kind in ["PathPrefix", "Exact"] {
        for path in ["/a?b#c", "a", "/a//b", "/a/../b", "/a b", "/a%2Fb"] {
            let told = matching(&format!("{{path: {{type: {kind}, value: \"{path}\"}}}}"));
            assert!(told.starts_with(&format!("{field}not a path: {path:?}; write `/`")), "{told}");
        }
    }
}

#[tokio::test]
async fn a_long_regular_expression_or_path_is_accepted() {
    let long = "x".repeat(500);
    let regex = format!("{{path: {{type: RegularExpression, value: \"/{long}.*\"}}}}");
    let removed = "{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}";
    let prefix = format!("{{path: {{value: /{long}}}}}");
    let rules = [rule(&regex, &to("a")), rule(&prefix, &format!("filters: [{removed}], {}", to("b")))];
    for rule in &rules {
        assert!(written(&[rule]).await.text.contains("re2.max_program_size"));
    }
    let without = written(&[&format!("{{{}}}", to("a"))]).await;
    assert!(!without.text.contains("re2.max_program_size"), "{}", without.text);
}

#[test]
fn a_filter_that_envoy_refuses_is_an_error() {
    let filter = |filter: &str| {
        let rules = [format!("{{filters: [{filter}]}}"), rule("{path: {value: /a}}", &to("a"))];
        error(&with_rules(&rules.each_ref().map(|rule| &**rule)))
    };
    let redirect =
        |fields: &str| filter(&format!("{{type: RequestRedirect, requestRedirect: {{{fields}}}}}"));
    let field = "spec.rules[0].filters[0].requestRedirect.";
    assert_eq!(
        redirect("scheme: HTTPS"),
        format!("{field}scheme: error: unknown value `HTTPS`; write one of http, https")
    );
    for replaced in ["FullPath", "PrefixMatch"] {
        for path in ["new", "/a?b", "/a b"] {
            let told = redirect(&format!("path: {{type: Replace{replaced}, replace{replaced}: \"{path}\"}}"));
            let wanted = format!("{field}path.replace{replaced}: error: not a path: {path:?}; write `/`");
            assert!(told.starts_with(&wanted), "{told}");
        }
    }
    assert!(redirect("hostname: \"a b\"").starts_with(&format!("{field}hostname: error: not a host: ")));
    let header = |fields: &str| {
        filter(&format!("{{type: ResponseHeaderModifier, responseHeaderModifier: {{set: [{{{fields}}}]}}}}"))
    };
    assert!(header("name: \"x y\", value: z").contains("error: not a name: \"x y\""));
    assert!(header("name: x, value: \"a\\nb\"").contains("error: not a value of a header"));
}

#[tokio::test]
async fn a_redirect_changes_the_headers_of_its_response() {
    let header = "{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-r, value: y}]}}";
    let redirect = "{type: RequestRedirect, requestRedirect: {hostname: new.example}}";
    let rules = [
        rule("{path: {value: /old}}", &format!("filters: [{header}, {redirect}]")),
        format!("{{{}}}", to("a")),
    ];
    let written = written(&rules.each_ref().map(|rule| &**rule)).await;
    let envoy = written.start().await;
    let reply = Client::http1_fresh().fetch(&format!("{}/old", envoy.url()), &[]).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.header("x-r").unwrap()), (302, "y".into()));
}

#[tokio::test]
async fn a_redirect_to_https_is_left_out_where_an_https_listener_serves_the_same_host() {
    let others = [
        gateway(BOTH),
        listener("http", &route("redirect", "[shop.example]", &[&format!("{{{TO_HTTPS}}}")])),
        listener("https", &route("shop", "[shop.example]", &[&format!("{{{}}}", to("a"))])),
    ];
    let written = convert(&manifests(&["a"], &others)).written().await;
    assert!(written.routes().iter().all(|route| route.get("redirect").is_none()), "{}", written.text);
    let told = warnings(&written);
    let wanted = "spec.rules[0]: not carried over: the output has one listener for all requests, so this redirect would \
                  also apply to requests that came over HTTPS; configure the redirect where TLS ends";
    assert!(told.len() == 1 && told[0].ends_with(wanted), "{told:?}");
}

#[tokio::test]
async fn a_redirect_to_https_of_a_host_without_https_stays() {
    let listeners = BOTH.replace("port: 443", "port: 443, hostname: shop.example");
    let others = [
        gateway(&listeners),
        listener("http", &route("redirect", "[other.example]", &[&format!("{{{TO_HTTPS}}}")])),
        listener("https", &route("shop", "[shop.example]", &[&format!("{{{}}}", to("a"))])),
    ];
    let written = convert(&manifests(&["a"], &others)).written().await;
    assert_eq!(written.routes().iter().filter(|route| route.get("redirect").is_some()).count(), 1);
    assert_eq!(warnings(&written), [""; 0]);
}

#[tokio::test]
async fn a_second_rule_with_the_same_match_on_the_same_host_is_reported() {
    let path = |service: &str| rule("{path: {value: /x}}", &to(service));
    let first = written(&[&path("a"), &path("b")]).await;
    assert_eq!((first.routes().len(), first.services().len()), (2, 1), "{}", first.text);
    assert_eq!(first.pods().len(), 1, "{}", first.text);
    assert!(
        first.notes().iter().any(|note| note.contains("no request is sent to this Service")),
        "{}",
        first.said
    );
    let told = first.not_carried_over();
    let wanted = "spec.rules[1].matches[0]: not carried over: the rule at all.yaml:74 has the same match for all hosts, so \
                  no request reaches this rule; leave one of the two rules out, or give it another match";
    assert!(told.len() == 1 && told[0].ends_with(wanted), "{told:?}");
    // Two listeners may have the same rule.
    let same = format!("{{{}}}", to("a"));
    let others = [
        gateway(BOTH),
        listener("http", &route("one", "[shop.example]", &[&same])),
        listener("https", &route("two", "[shop.example]", &[&same])),
    ];
    let written = convert(&manifests(&["a"], &others)).written().await;
    assert_eq!(warnings(&written), [""; 0]);
}

#[tokio::test]
async fn a_host_that_no_listener_accepts_is_reported() {
    let others = [
        gateway("[{name: http, protocol: HTTP, port: 80, hostname: \"*.shop.example\"}]"),
        route("web", "[a.shop.example, other.example]", &[&format!("{{{}}}", to("a"))]),
    ];
    let notes = convert(&manifests(&["a"], &others)).written().await.notes();
    let wanted = "spec.hostnames[1]: note: not used: no listener of the Gateway accepts this host";
    assert!(notes.len() == 1 && notes[0].ends_with(wanted), "{notes:?}");
}

#[tokio::test]
async fn a_route_of_a_missing_listener_is_reported() {
    let one = route("web", "[]", &[&format!("{{{}}}", to("a"))]);
    let others = [plain_gateway(), one.clone(), listener("htpp", &one.replace("name: web", "name: other"))];
    let told = convert(&manifests(&["a"], &others)).written().await.said;
    let wanted = "warning: not used: the Gateway main has no listener with the `sectionName` and `port` of this HTTPRoute";
    assert!(
        told.contains(wanted) && told.contains("write the sectionName and the port of a listener: http (80)"),
        "{told}"
    );
}

#[tokio::test]
async fn a_listener_accepts_routes_of_its_allowed_namespaces() {
    let in_team = |manifest: String| manifest.replacen("metadata:\n", "metadata:\n  namespace: team\n", 1);
    let with = |allowed: &str| {
        let listener = format!("[{{name: http, protocol: HTTP, port: 80{allowed}}}]");
        let foreign = route("web", "[]", &[&format!("{{{}}}", to("a"))])
            .replace("{name: main}", "{name: main, namespace: default}");
        let backends =
            manifests(&["a"], &[]).split("---\n").map(|one| in_team(one.to_owned())).collect::<Vec<_>>();
        convert(&(backends.join("---\n") + "---\n" + &gateway(&listener) + "---\n" + &in_team(foreign)))
    };
    for refused in [
        "",
        ", allowedRoutes: {}",
        ", allowedRoutes: {namespaces: {from: Same}}",
        ", allowedRoutes: {namespaces: {from: None}}",
    ] {
        let conversion = with(refused);
        let wanted = "not used: the Gateway main accepts no HTTPRoutes of the namespace team";
        assert!(conversion.said.contains(wanted), "{refused}: {}", conversion.said);
        assert_eq!(conversion.errors().len(), 1, "{refused}");
    }
    let all = with(", allowedRoutes: {namespaces: {from: All}}").written().await;
    assert_eq!(all.not_carried_over(), [""; 0]);
    let selector = "{from: Selector, selector: {matchLabels: {a: b}}}";
    let selected = with(&format!(", allowedRoutes: {{namespaces: {selector}}}")).written().await;
    let told = selected.not_carried_over();
    let field =
        "spec.listeners[0].allowedRoutes.namespaces.from: not carried over: the labels of namespaces are not";
    assert!(told.len() == 1 && told[0].contains(field), "{told:?}");
    let kinds = with(", allowedRoutes: {namespaces: {from: All}, kinds: [{kind: GRPCRoute}]}");
    assert!(kinds.said.contains("no listener of the Gateway accepts this HTTPRoute"), "{}", kinds.said);
}

#[test]
fn an_internal_gateway_gets_an_internal_load_balancer() {
    for (class, is_internal) in [
        ("gke-l7-rilb", true),
        ("gke-l7-rilb-mc", true),
        ("gke-l7-cross-regional-internal-managed-mc", true),
        ("gke-l7-global-external-managed", false),
        ("gke-l7-gxlb", false),
        ("gke-l7-regional-external-managed", false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let manifests = with_rules(&[&format!("{{{}}}", to("a"))]);
        let manifests = manifests.replace("gke-l7-global-external-managed", class);
        std::fs::write(directory.path().join("all.yaml"), manifests).unwrap();
        let conversion = run_as_is(directory, &["all.yaml"], Stdio::null());
        assert!(conversion.succeeded, "{}", conversion.said);
        assert_eq!(conversion.output.contains("load-balancer-type: Internal"), is_internal, "{class}");
    }
}

#[tokio::test]
async fn two_ports_with_the_same_pods_share_their_weights() {
    let ports = "  - {name: one, port: 80, targetPort: 8080}\n  - {name: two, port: 81, targetPort: 8080}\n";
    let split = "{backendRefs: [{name: a, port: 80, weight: 2}, {name: a, port: 81, weight: 3}]}";
    let manifests = with_rules(&[split]).replacen("  - port: 80\n    targetPort: 8080\n", ports, 1);
    let written = convert_with(&manifests, &[]).written().await;
    assert_eq!(written.service()["backends"], json!([{ "cluster": "a-0", "weight": 5 }]));
}

#[tokio::test]
async fn a_route_whose_parent_no_manifest_has_causes_a_warning() {
    let one = route("web", "[]", &[&format!("{{{}}}", to("a"))]);
    let told = async |parent: &str| {
        let other = one.replace("name: web", "name: other").replace("{name: main}", parent);
        convert(&manifests(&["a"], &[plain_gateway(), one.clone(), other])).written().await.said
    };
    let said = told("{name: mian}").await;
    assert!(said.contains("warning: not used: no manifest has the Gateway `default/mian`"), "{said}");
    assert!(said.contains("= help: write `name: main`, or leave the HTTPRoute out"), "{said}");
    let said = told("{name: main, namespace: web}").await;
    assert!(said.contains("= help: write `namespace: default`, or leave the HTTPRoute out"), "{said}");
    let said = told("{name: a, kind: Service}").await;
    assert!(said.contains("note: not used: its parent is no Gateway"), "{said}");
}

#[test]
fn a_route_of_another_gateway_causes_a_note() {
    let one = route("web", "[]", &[&format!("{{{}}}", to("a"))]);
    let second = plain_gateway().replace("name: main", "name: second");
    let other = one.replace("name: web", "name: other").replace("{name: main}", "{name: second}");
    let all = manifests(&["a"], &[plain_gateway(), second, one, other]);
    let said = convert_with(&all, &["--gateway", "main", "--endpoints", "a=10.0.0.1"]).said;
    assert!(said.contains("note: not used: its parent is another Gateway"), "{said}");
}

#[tokio::test]
async fn a_ratio_of_weights_is_exact_or_a_note_tells_what_is_written() {
    let split = |one: u32, other: u32| {
        format!(
            "{{backendRefs: [{{name: a, port: 80, weight: {one}}}, {{name: b, port: 80, weight: {other}}}]}}"
        )
    };
    let weights = |written: &Written| -> Vec<u64> {
        let backends = written.service()["backends"].as_array().unwrap();
        backends.iter().map(|backend| backend["weight"].as_u64().unwrap()).collect()
    };
    for (given, expected) in [((90, 10), [90, 10]), ((5000, 2500), [2, 1]), ((999_000, 1000), [999, 1])] {
        let written = written(&[&split(given.0, given.1)]).await;
        assert_eq!(weights(&written), expected);
        assert_eq!(written.notes(), [""; 0], "{given:?}");
    }
    let written = written(&[&split(1_000_000, 1)]).await;
    assert_eq!(weights(&written), [1000, 1]);
    let notes = written.notes();
    let wanted = "note: the filter's weights go up to 1,000: written as 1000 and 1";
    assert!(notes.len() == 1 && notes[0].ends_with(wanted), "{notes:?}");
}
