//! The names of services, clusters and objects, if several manifests have the same name.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kubernetes::{converted, names, objects};
use crate::manifests::gateway::{gateway, manifests, plain_gateway, policy, route, to};
use crate::support::{Written, convert, convert_with};

fn service_names(written: &Written) -> Vec<&str> {
    written.services().iter().map(|service| service["name"].as_str().unwrap()).collect()
}

fn cluster_names(written: &Written) -> BTreeSet<&str> {
    written.clusters().iter().map(|cluster| cluster["name"].as_str().unwrap()).collect()
}

/// A Gateway for the Services `web` of the namespaces team-a and team-b, and a split of team-a.
fn two_teams() -> String {
    let mut all =
        vec![gateway("[{name: http, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}]")];
    for team in ["team-a", "team-b"] {
        let own = [
            route("web", &format!("[{team}.example]"), &[&format!("{{{}}}", to("web"))]),
            route(
                "half",
                &format!("[half.{team}.example]"),
                &["{backendRefs: [{name: web, port: 80}, {name: api, port: 80}]}"],
            ),
            policy("GCPBackendPolicy", "web", "{sessionAffinity: {type: GENERATED_COOKIE}}"),
            policy("GCPBackendPolicy", "api", "{sessionAffinity: {type: GENERATED_COOKIE}}"),
        ];
        let own = manifests(&["web", "api"], &own)
            .replace("\nmetadata:\n", &format!("\nmetadata:\n  namespace: {team}\n"))
            .replace("{name: main}", "{name: main, namespace: default}");
        all.push(own);
    }
    all.join("---\n")
}

#[tokio::test]
async fn names_have_the_namespace_if_services_of_two_namespaces_are_in_use() {
    let written = convert(&two_teams()).written().await;
    let wanted = ["team-a_web", "team-a_half_split", "team-b_web", "team-b_half_split"];
    assert_eq!(service_names(&written), wanted);
    let wanted = BTreeSet::from(["team-a_web-0", "team-a_api-0", "team-b_web-0", "team-b_api-0"]);
    assert_eq!(cluster_names(&written), wanted);
    let cookies: Vec<&Value> =
        written.services().iter().map(|service| &service["sessionAffinity"]["cookie"]["name"]).collect();
    assert_eq!(cookies[1..], ["GCLB-team-a_half_split", "GCLB-team-b_web", "GCLB-team-b_half_split"]);
}

#[tokio::test]
async fn a_long_namespace_is_shortened_and_the_name_is_not() {
    let long = two_teams().replace("team-a", &format!("team-a-{}", "x".repeat(40)));
    let long = long.replace("name: web", &format!("name: web-{}", "y".repeat(40)));
    let written = convert(&long).written().await;
    let wanted = format!("team-a-{}_web-{}", "x".repeat(12), "y".repeat(40));
    assert_eq!(service_names(&written)[0], wanted);
}

#[tokio::test]
async fn addresses_are_given_for_the_pods_of_one_namespace() {
    let given = ["--endpoints", "team-a/web=10.0.0.1", "--endpoints", "team-b/web=10.0.0.2"];
    let written = convert_with(&two_teams(), &given).written().await;
    let pods = written.pods();
    let address = |name: &str| pods.iter().find(|(pod, _)| pod == name).unwrap().1.clone();
    assert_eq!(address("team-a_web-0"), "10.0.0.1:8080");
    assert_eq!(address("team-b_web-0"), "10.0.0.2:8080");
    let unknown = convert_with(&two_teams(), &["--endpoints", "team-c/web=10.0.0.1"]).errors();
    assert!(unknown[0].contains("nothing with the name team-c/web has pods"), "{unknown:?}");
}

#[test]
fn each_namespace_gets_its_headless_services() {
    let objects = objects(&converted(&two_teams(), &[]));
    let headless = names(&objects).into_iter().filter(|name| name.ends_with("-headless")).count();
    assert_eq!(headless, 4, "{objects:#?}");
    let namespaces: BTreeSet<&str> =
        objects.iter().filter_map(|object| object["metadata"]["namespace"].as_str()).collect();
    assert_eq!(namespaces, BTreeSet::from(["team-a", "team-b"]));
}

#[test]
fn envoy_finds_pods_in_the_default_namespace() {
    let listeners = "[{name: http, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}]";
    let infra = gateway(listeners).replacen("metadata:\n", "metadata:\n  namespace: infra\n", 1);
    let web = route("web", "[]", &[&format!("{{{}}}", to("app"))])
        .replace("{name: main}", "{name: main, namespace: infra}");
    let conversion = converted(&manifests(&["app"], &[infra, web]), &[]);
    assert!(conversion.output.contains("address: app-headless.default,"), "{}", conversion.output);
    assert_eq!(names(&objects(&conversion))[0], "Service/app-headless");
}

#[tokio::test]
async fn a_split_never_has_the_name_of_a_service_in_any_order_of_the_routes() {
    let split =
        route("shop", "[a.example]", &["{backendRefs: [{name: v1, port: 80}, {name: v2, port: 80}]}"]);
    let plain = route("web", "[b.example]", &[&format!("{{{}}}", to("shop"))]);
    for routes in [[split.clone(), plain.clone()], [plain, split]] {
        let others = [&[plain_gateway()], &routes[..]].concat();
        let written = convert(&manifests(&["v1", "v2", "shop"], &others)).written().await;
        let names: BTreeSet<&str> = service_names(&written).into_iter().collect();
        assert_eq!(names, BTreeSet::from(["shop", "shop_split"]));
    }
}
