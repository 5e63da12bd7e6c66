//! A Gateway and its routes in a real Envoy.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use harness::pod::Pod;
use serde_json::json;

use crate::manifests::gateway::{gateway, manifests, plain_gateway, policy, route, rule, to};
use crate::manifests::ingress_to;
use crate::support::{Written, convert, convert_with, run_as_is};

const SOON: Duration = Duration::from_secs(30);

/// An Envoy, and a pod for each Service with the Service's name.
struct Balancer {
    envoy: Envoy,
    written: Written,
    pods: Vec<Pod>,
}

impl Balancer {
    async fn of(names: &[&str], others: &[String]) -> Self {
        let pods: Vec<Pod> = names.iter().map(|name| Pod::start(name).unwrap()).collect();
        let endpoints: Vec<String> =
            pods.iter().map(|pod| format!("{}={}", pod.name(), pod.address())).collect();
        let arguments: Vec<&str> = endpoints.iter().flat_map(|given| ["--endpoints", given]).collect();
        let written = convert_with(&manifests(names, others), &arguments).written().await;
        Self { envoy: written.start().await, written, pods }
    }

    async fn get(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut all: Vec<(&str, &[u8])> = vec![("host", host.as_bytes())];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        Client::http1_fresh().fetch(&format!("{}{path}", self.envoy.url()), &all).await.unwrap()
    }

    /// Asserts that each request reaches its Service. An empty name stands for a 404.
    async fn sends(&self, table: &[(&str, &str, &str)]) {
        let mut wrong = BTreeMap::new();
        for &(host, path, wanted) in table {
            let reply = self.get(host, path, &[]).await;
            let met = if reply.status == 404 { "" } else { &*reply.pod };
            if met != wanted {
                wrong.insert(format!("{host}{path}"), format!("{met:?}, not {wanted:?}"));
            }
        }
        assert_eq!(wrong, BTreeMap::new(), "{}", self.written.text);
    }
}

#[tokio::test]
async fn hosts_and_paths_lead_to_their_services_by_the_rules_of_the_gateway_api() {
    let path = |kind: &str, value: &str| format!("{{path: {{type: {kind}, value: {value}}}}}");
    let routes = [
        plain_gateway(),
        route(
            "paths",
            "[shop.example]",
            &[
                &rule(&path("PathPrefix", "/"), &to("all")),
                &rule(&path("PathPrefix", "/api/"), &to("api")),
                &rule(&path("Exact", "/api/v1"), &to("exact")),
            ],
        ),
        route("wild", "[\"*.shop.example\"]", &[&format!("{{{}}}", to("wild"))]),
    ];
    let balancer = Balancer::of(&["all", "api", "exact", "wild"], &routes).await;
    let table = [
        ("shop.example", "/", "all"),
        ("shop.example:8080", "/apis", "all"),
        ("shop.example", "/api", "api"),
        ("shop.example", "/api/v1/x", "api"),
        ("shop.example", "/api/v1", "exact"),
        ("a.shop.example", "/api", "wild"),
        ("other.example", "/", ""),
    ];
    balancer.sends(&table).await;
}

#[tokio::test]
async fn headers_query_parameters_and_methods_choose_a_rule() {
    let routes = [
        plain_gateway(),
        route(
            "some",
            "[]",
            &[
                &rule("{headers: [{name: x-version, value: beta}]}", &to("beta")),
                &rule("{queryParams: [{name: v, value: \"2\"}]}", &to("second")),
                &rule("{method: POST}", &to("post")),
                &format!("{{{}}}", to("rest")),
            ],
        ),
    ];
    let balancer = Balancer::of(&["beta", "second", "post", "rest"], &routes).await;
    assert_eq!(balancer.get("x.example", "/", &[("x-version", "beta")]).await.pod, "beta");
    assert_eq!(balancer.get("x.example", "/", &[("x-version", "alpha")]).await.pod, "rest");
    assert_eq!(balancer.get("x.example", "/?v=2", &[]).await.pod, "second");
    let posted = Client::http1().request(http::Method::POST, &balancer.envoy.url()).body("x");
    assert_eq!(Reply::to(posted).await.unwrap().pod, "post");
}

#[tokio::test]
async fn redirects_rewrites_and_header_filters_become_fields_of_envoy() {
    let prefix = |value: &str| format!("{{path: {{type: PathPrefix, value: {value}}}}}");
    let redirect = "filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]";
    let moved = "filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example, \
                 path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}]";
    let headers = format!(
        "filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: x-set, value: 100%}}], \
         add: [{{name: x-add, value: b}}], remove: [x-gone]}}}}, {{type: ResponseHeaderModifier, \
         responseHeaderModifier: {{set: [{{name: x-answer, value: c}}]}}}}], {}",
        to("app")
    );
    let rewrite = |path: &str| {
        let filter = format!("{{type: URLRewrite, urlRewrite: {{hostname: in.example, path: {path}}}}}");
        format!("filters: [{filter}], {}", to("app"))
    };
    let routes = [
        plain_gateway(),
        route(
            "changes",
            "[]",
            &[
                &rule(&prefix("/secure"), redirect),
                &rule(&prefix("/moved"), moved),
                &rule(&prefix("/headers"), &headers),
                &rule(&prefix("/strip"), &rewrite("{type: ReplacePrefixMatch, replacePrefixMatch: /}")),
                &rule(&prefix("/deep"), &rewrite("{type: ReplacePrefixMatch, replacePrefixMatch: /a/b}")),
                &rule(&prefix("/full"), &rewrite("{type: ReplaceFullPath, replaceFullPath: /one}")),
            ],
        ),
    ];
    let balancer = Balancer::of(&["app"], &routes).await;
    let secure = balancer.get("shop.example", "/secure/x?y=1", &[]).await;
    assert_eq!(secure.status, 301);
    assert_eq!(secure.header("location").unwrap(), "https://shop.example/secure/x?y=1");
    let moved = balancer.get("shop.example", "/moved/x", &[]).await;
    assert_eq!(
        (moved.status.as_u16(), moved.header("location").unwrap()),
        (302, "http://new.example/new/x".into())
    );
    let answer =
        balancer.get("shop.example", "/headers", &[("x-add", "a"), ("x-gone", "1"), ("x-set", "0")]).await;
    assert_eq!(answer.header("x-answer").unwrap(), "c");
    let request = balancer.pods[0].last_request();
    let header = |name: &str| {
        request.headers.get_all(name).iter().map(|one| one.to_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((header("x-set"), header("x-add"), header("x-gone")), (vec!["100%"], vec!["a", "b"], vec![]));
    for (path, wanted) in
        [("/strip", "/"), ("/strip/x?y=1", "/x?y=1"), ("/deep/x", "/a/b/x"), ("/full/x?y=1", "/one?y=1")]
    {
        assert_eq!(balancer.get("shop.example", path, &[]).await.status, 200);
        let request = balancer.pods[0].last_request();
        assert_eq!(request.uri.to_string(), wanted, "{path}");
        assert_eq!(request.headers["host"], "in.example");
    }
}

#[tokio::test]
async fn weights_split_new_sessions_and_a_session_keeps_its_service() {
    let cookie = "{sessionAffinity: {type: GENERATED_COOKIE, cookieTtlSec: 50}}";
    let split = "{backendRefs: [{name: stable, port: 80, weight: 3}, {name: canary, port: 80, weight: 1}]}";
    let others = [
        plain_gateway(),
        route("web", "[]", &[split]),
        policy("GCPBackendPolicy", "stable", cookie),
        policy("GCPBackendPolicy", "canary", cookie),
    ];
    let balancer = Balancer::of(&["stable", "canary"], &others).await;
    let wanted = json!([{ "cluster": "stable-0", "weight": 3 }, { "cluster": "canary-0", "weight": 1 }]);
    assert_eq!(balancer.written.service()["backends"], wanted);
    assert_eq!(balancer.written.service()["name"], "web_split");
    let mut on_canary = 0;
    for _ in 0..80 {
        let began = balancer.get("x.example", "/", &[]).await;
        let cookie = began.cookie_pair("GCLB").unwrap().to_owned();
        let again = balancer.get("x.example", "/", &[("cookie", &cookie)]).await;
        assert_eq!(began.pod, again.pod);
        on_canary += usize::from(began.pod == "canary");
    }
    // A quarter of 80 is expected. The count is outside this range once in a million runs.
    assert!((4..=40).contains(&on_canary), "{on_canary}");
}

#[tokio::test]
async fn a_service_shares_its_weight_among_its_pods_and_keeps_its_health_check() {
    let health = "{config: {type: HTTP, httpHealthCheck: {requestPath: /healthz}}}";
    for (weights, pods, shares) in [((90, 10), (3, 1), (30, 10)), ((1, 1), (3, 2), (2, 3))] {
        let split = format!(
            "{{backendRefs: [{{name: stable, port: 80, weight: {}}}, {{name: canary, port: 80, weight: {}}}]}}",
            weights.0, weights.1
        );
        let others =
            [plain_gateway(), route("web", "[]", &[&split]), policy("HealthCheckPolicy", "stable", health)];
        let given = |name: &str, count: usize| {
            let addresses: Vec<String> = (0..count).map(|pod| format!("10.{}.0.{pod}", name.len())).collect();
            format!("{name}={}", addresses.join(","))
        };
        let (stable, canary) =
            (given("stable", pods.0), given("canarys", pods.1).replace("canarys", "canary"));
        let arguments = ["--endpoints", &stable, "--endpoints", &canary];
        let written = convert_with(&manifests(&["stable", "canary"], &others), &arguments).written().await;
        let backends = written.service()["backends"].as_array().unwrap().clone();
        let weight_of = |name: &str| {
            let own: Vec<_> =
                backends.iter().filter(|one| one["cluster"].as_str().unwrap().starts_with(name)).collect();
            (own.len(), own[0]["weight"].as_u64().unwrap())
        };
        assert_eq!((weight_of("stable"), weight_of("canary")), ((pods.0, shares.0), (pods.1, shares.1)));
        let checked: Vec<_> = written
            .clusters()
            .iter()
            .map(|cluster| cluster["health_checks"][0]["http_health_check"]["path"].clone())
            .collect();
        assert_eq!(checked.iter().filter(|path| **path == "/healthz").count(), pods.0, "{checked:?}");
    }
}

#[tokio::test]
async fn with_endpoints_a_split_keeps_the_service_and_the_pod_in_it() {
    let names = ["stable", "canary"];
    let pods: Vec<Vec<Pod>> = names
        .iter()
        .map(|name| (0..2).map(|index| Pod::start(&format!("{name}-{index}")).unwrap()).collect())
        .collect();
    let given: Vec<String> = names
        .iter()
        .zip(&pods)
        .map(|(name, pods)| {
            let addresses: Vec<String> = pods.iter().map(|pod| pod.address().to_string()).collect();
            format!("{name}={}", addresses.join(","))
        })
        .collect();
    let others = [
        plain_gateway(),
        route(
            "web",
            "[]",
            &["{backendRefs: [{name: stable, port: 80, weight: 1}, {name: canary, port: 80, weight: 1}]}"],
        ),
        policy("GCPBackendPolicy", "stable", "{sessionAffinity: {type: GENERATED_COOKIE}}"),
        policy("HealthCheckPolicy", "stable", "{config: {type: TCP, tcpHealthCheck: {}}}"),
    ];
    let arguments = ["--eds", "eds", "--endpoints", &given[0], "--endpoints", &given[1]];
    let written = convert_with(&manifests(&names, &others), &arguments).written().await;
    assert_eq!(written.service()["pin"], "CLUSTER_AND_ENDPOINT");
    assert_eq!(written.not_carried_over().len(), 1, "{}", written.said);
    assert_eq!(written.clusters()[0]["health_checks"], json!(null), "{}", written.text);
    let envoy = written.start().await;
    for name in names {
        let healthy = format!("cluster.{name}.membership_healthy");
        envoy.wait_for_stat(&healthy, |healthy| healthy == 2, SOON).await.unwrap();
    }
    let mut reached = BTreeSet::new();
    for _ in 0..40 {
        let began = Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap();
        let cookie = began.cookie_pair("GCLB").unwrap().to_owned();
        for _ in 0..3 {
            let again = Client::http1_fresh().fetch_with_cookie(&envoy.url(), &cookie).await.unwrap();
            assert_eq!((again.status.as_u16(), &again.pod), (200, &began.pod));
        }
        reached.insert(began.pod);
    }
    assert_eq!(reached.len(), 4, "{reached:?}");
}

#[tokio::test]
async fn policies_of_a_service_are_carried_over() {
    let settings = "{sessionAffinity: {type: CLIENT_IP, cookieTtlSec: 9}, timeoutSec: 7, logging: {enabled: true, \
                    sampleRate: 500000}, connectionDraining: {drainingTimeoutSec: 60}, securityPolicy: armor, iap: \
                    {enabled: true}}";
    let health = "{checkIntervalSec: 4, timeoutSec: 2, config: {type: HTTP, httpHealthCheck: {requestPath: /healthz}}}";
    let others = [
        plain_gateway(),
        route("web", "[]", &[&format!("{{{}}}", to("app"))]),
        policy("GCPBackendPolicy", "app", settings),
        policy("HealthCheckPolicy", "app", health),
    ];
    let written = convert(&manifests(&["app"], &others)).written().await;
    let service = written.service();
    assert_eq!(service["sessionAffinity"], json!({ "affinityType": "CLIENT_IP" }));
    let check = json!({ "requestPath": "/healthz", "checkIntervalSec": 4, "timeoutSec": 2, "healthyThreshold": 2,
        "unhealthyThreshold": 2 });
    assert_eq!(service["healthCheck"], check);
    assert_eq!(written.routes()[0]["route"]["timeout"], "7s");
    assert!(written.text.contains("percent_sampled: {numerator: 500000, denominator: MILLION}"));
    let told = written.not_carried_over();
    let fields = [
        "connectionDraining.drainingTimeoutSec",
        "securityPolicy",
        "iap.enabled",
        "sessionAffinity.cookieTtlSec",
    ];
    for field in fields {
        assert!(
            told.iter().any(|told| told.contains(&format!(": spec.default.{field}: not carried over"))),
            "{told:?}"
        );
    }
    assert_eq!(told.len(), fields.len());
}

#[tokio::test]
async fn a_timeout_of_a_rule_overrides_the_timeout_of_the_policy() {
    let rule = format!("{{timeouts: {{request: 500ms}}, {}}}", to("app"));
    let others =
        [plain_gateway(), route("web", "[]", &[&rule]), policy("GCPBackendPolicy", "app", "{timeoutSec: 7}")];
    let written = convert(&manifests(&["app"], &others)).written().await;
    assert_eq!(written.routes()[0]["route"]["timeout"], "0.500s");
    assert_eq!(written.clusters()[0]["connect_timeout"], "0.25s", "below the timeout of the route");
}

#[tokio::test]
async fn a_listener_decides_which_hosts_and_routes_it_accepts() {
    let listeners = "[{name: a, protocol: HTTP, port: 80, hostname: \"*.a.example\"}, \
                     {name: b, protocol: HTTPS, port: 443, hostname: b.example, tls: {mode: Terminate}}]";
    let of_b = route("of-b", "[]", &[&format!("{{{}}}", to("b"))])
        .replace("{name: main}", "{name: main, sectionName: b}");
    let foreign =
        route("foreign", "[]", &[&format!("{{{}}}", to("b"))]).replace("{name: main}", "{name: other}");
    let others = [
        gateway(listeners),
        route("of-a", "[one.a.example, c.example]", &[&format!("{{{}}}", to("a"))])
            .replace("{name: main}", "{name: main, sectionName: a}"),
        of_b,
        foreign,
    ];
    let balancer = Balancer::of(&["a", "b"], &others).await;
    let table = [
        ("one.a.example", "/", "a"),
        ("two.a.example", "/", ""),
        ("c.example", "/", ""),
        ("b.example", "/", "b"),
    ];
    balancer.sends(&table).await;
    let said = &balancer.written.said;
    assert!(said.contains("warning: not used: no manifest has the Gateway `default/other`"), "{said}");
    let told = balancer.written.not_carried_over();
    assert!(
        told.len() == 1 && told[0].contains(": spec.listeners[1].protocol: not carried over: "),
        "{told:?}"
    );
}

#[test]
fn errors_of_a_gateway_are_reported_with_their_places() {
    let told = |others: &[String]| {
        let errors = convert(&manifests(&["app"], others)).errors();
        let [error] = &*errors else { panic!("one error: {errors:#?}") };
        error.split_once(": ").unwrap().1.to_owned()
    };
    let web = |rule: &str| route("web", "[]", &[rule]);
    let other_class = plain_gateway().replace("gke-l7-global-external-managed", "istio");
    let app = format!("{{{}}}", to("app"));
    for (others, wanted) in [
        (vec![other_class, web(&app)], "spec.gatewayClassName: error: not a GKE Gateway"),
        (vec![plain_gateway()], "metadata.name: error: no request is sent to a Service"),
        (
            vec![plain_gateway(), web("{backendRefs: [{name: none, port: 80}]}")],
            "spec.rules[0].backendRefs[0].name: error: no Service",
        ),
        (
            vec![plain_gateway(), web("{backendRefs: [{name: app, port: 81}]}")],
            "spec.rules[0].backendRefs[0].port: error: Service app has no port 81",
        ),
        (
            vec![plain_gateway(), web("{backendRefs: [{name: app}]}")],
            "spec.rules[0].backendRefs[0]: error: missing field `port`",
        ),
        (
            vec![plain_gateway(), web("{backendRefs: [{name: app, port: 80, weight: 0}]}")],
            "spec.rules[0]: error: all backends of this rule have weight 0",
        ),
        (
            vec![plain_gateway(), web("{timeouts: {request: soon}}")],
            "spec.rules[0].timeouts.request: error: not a duration",
        ),
        (vec![plain_gateway(), web("{matchs: []}")], "spec.rules[0].matchs: error: unknown field `matchs`"),
        (
            vec![plain_gateway(), web(&app), ingress_to("app")],
            "metadata.name: error: both a Gateway and an Ingress",
        ),
    ] {
        let error = told(&others);
        assert!(error.starts_with(wanted), "{wanted}: {error}");
    }
    let both = manifests(&["app"], &[plain_gateway(), web(&app), ingress_to("app")]);
    for option in ["--ingress", "--gateway"] {
        assert!(convert_with(&both, &[option, "main"]).succeeded, "{option}");
    }
}

#[test]
fn a_gateway_becomes_kubernetes_manifests_too() {
    let directory = tempfile::tempdir().unwrap();
    let others = [
        plain_gateway().replace("global-external-managed", "rilb"),
        route(
            "web",
            "[]",
            &["{backendRefs: [{name: a, port: 80, weight: 2000}, {name: b, port: 80, weight: 10}]}"],
        ),
        policy("GCPBackendPolicy", "a", "{sessionAffinity: {type: GENERATED_COOKIE}}"),
    ];
    std::fs::write(directory.path().join("all.yaml"), manifests(&["a", "b"], &others)).unwrap();
    let conversion = run_as_is(directory, &["all.yaml"], Stdio::null());
    assert!(conversion.succeeded, "{}", conversion.said);
    for part in [
        "networking.gke.io/load-balancer-type: Internal",
        "name: a-headless",
        "name: b-headless",
        "pin: CLUSTER_AND_ENDPOINT",
        "backends: [{cluster: a, weight: 200}, {cluster: b, weight: 1}]",
    ] {
        assert!(conversion.output.contains(part), "{part}: {}", conversion.output);
    }
}
