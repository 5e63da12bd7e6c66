//! The routing of requests: the table of an Ingress, in a real Envoy.

use std::collections::{BTreeMap, BTreeSet};

use harness::client::{Client, Reply};
use harness::envoy::Envoy;
use harness::pod::Pod;

use crate::manifests::{all, ingress, ingress_to, path, rule, service, stateful_set};
use crate::support::{Conversion, Written, convert, convert_with};

/// An Envoy made from an Ingress, and a pod for each Service with the Service's name.
struct Balancer {
    envoy: Envoy,
    client: Client,
    written: Written,
    _pods: Vec<Pod>,
}

/// An Ingress and these Services.
fn converted(ingress: &str, services: &[&str], arguments: &[&str]) -> Conversion {
    let manifests: Vec<String> =
        services.iter().map(|name| all(&[stateful_set(name, 1), service(name)])).collect();
    convert_with(&format!("{}---\n{ingress}", manifests.join("---\n")), arguments)
}

impl Balancer {
    /// Converts an Ingress with these Services, and starts Envoy.
    async fn of(ingress: &str, services: &[&str]) -> Self {
        let pods: Vec<Pod> = services.iter().map(|name| Pod::start(name).unwrap()).collect();
        let endpoints: Vec<String> =
            pods.iter().map(|pod| format!("{}={}", pod.name(), pod.address())).collect();
        let arguments: Vec<&str> =
            endpoints.iter().flat_map(|endpoints| ["--endpoints", endpoints]).collect();
        let written = converted(ingress, services, &arguments).written().await;
        Self { envoy: written.start().await, client: Client::http1(), written, _pods: pods }
    }

    async fn get(&self, host: &str, path: &str) -> Reply {
        let url = format!("{}{path}", self.envoy.url());
        self.client.fetch(&url, &[("host", host.as_bytes())]).await.unwrap()
    }

    /// Asserts that each request reaches its Service. An empty name stands for a 404 of GKE's default backend.
    async fn sends(&self, table: &[(&str, &str, &str)]) {
        let mut wrong = BTreeMap::new();
        for &(host, path, wanted) in table {
            let reply = self.get(host, path).await;
            let met = if reply.status == 404 { "" } else { &*reply.pod };
            if met != wanted {
                wrong.insert(format!("{host}{path}"), format!("{met:?}, not {wanted:?}"));
            }
            if wanted.is_empty() {
                assert_eq!(reply.pod, "default backend - 404");
                assert_eq!(reply.set_cookies, [""; 0]);
            }
        }
        assert_eq!(wrong, BTreeMap::new(), "{}", self.written.text);
    }
}

#[tokio::test]
async fn hosts_and_paths_lead_to_their_services_and_nothing_else_does() {
    let rules = [
        rule("a.example.com", &[path("/*", "ImplementationSpecific", "a")]),
        rule("example.com", &[path("/api/a", "Prefix", "a"), path("/api/b", "Prefix", "b")]),
    ];
    let ingress = ingress(&format!("{{rules: [{}]}}", rules.join(", ")));
    let balancer = Balancer::of(&ingress, &["a", "b"]).await;
    let table = [
        ("a.example.com", "/", "a"),
        ("a.example.com:10000", "/any/path?x=1", "a"),
        ("example.com", "/api/a", "a"),
        ("example.com:443", "/api/a/deeper", "a"),
        ("example.com", "/api/a?x=/api/b", "a"),
        ("example.com", "/api/b/", "b"),
        ("example.com", "/api/b/../a", "a"),
        ("example.com", "/api/abc", ""),
        ("example.com", "/api", ""),
        ("example.com", "/", ""),
        ("b.example.com", "/api/a", ""),
        ("127.0.0.1", "/", ""),
    ];
    balancer.sends(&table).await;
}

#[tokio::test]
async fn an_implementation_specific_path_is_exact_unless_it_ends_in_a_star() {
    let paths = [
        path("/exact", "ImplementationSpecific", "a"),
        path("/below/*", "ImplementationSpecific", "b"),
        path("/", "ImplementationSpecific", "c"),
    ];
    let balancer =
        Balancer::of(&ingress(&format!("{{rules: [{}]}}", rule("", &paths))), &["a", "b", "c"]).await;
    let table = [
        ("x.example", "/exact", "a"),
        ("x.example", "/exact?x=1", "a"),
        ("x.example", "/exact/", ""),
        ("x.example", "/exactly", ""),
        ("x.example", "/below/", "b"),
        ("x.example", "/below/and/deeper", "b"),
        ("x.example", "/below", ""),
        ("x.example", "/belowly", ""),
        ("x.example", "/", "c"),
        ("x.example", "/else", ""),
    ];
    balancer.sends(&table).await;
}

#[tokio::test]
async fn a_path_without_a_path_type_is_implementation_specific_in_v1beta1() {
    let old = |path: &str, service: &str| {
        format!("{{path: {path}, backend: {{serviceName: {service}, servicePort: 80}}}}")
    };
    let all_paths = "{backend: {serviceName: c, servicePort: 80}}";
    let rules = [
        format!("{{host: old.example, http: {{paths: [{}, {}]}}}}", old("/exact", "a"), old("/below/*", "b")),
        format!("{{host: all.example, http: {{paths: [{all_paths}]}}}}"),
    ];
    let ingress = ingress(&format!("{{rules: [{}]}}", rules.join(", ")));
    let ingress = ingress.replace("networking.k8s.io/v1", "networking.k8s.io/v1beta1");
    let balancer = Balancer::of(&ingress, &["a", "b", "c"]).await;
    let table = [
        ("old.example", "/exact", "a"),
        ("old.example", "/exact/deeper", ""),
        ("old.example", "/below/deeper", "b"),
        ("old.example", "/below", ""),
        ("all.example", "/", "c"),
        ("all.example", "/any/path", "c"),
    ];
    balancer.sends(&table).await;
}

#[tokio::test]
async fn exact_and_prefix_have_the_meaning_of_kubernetes() {
    let paths = [
        path("/exact", "Exact", "a"),
        path("/slash/", "Exact", "a"),
        path("/tree", "Prefix", "b"),
        path("/forest/", "Prefix", "c"),
    ];
    let balancer =
        Balancer::of(&ingress(&format!("{{rules: [{}]}}", rule("", &paths))), &["a", "b", "c"]).await;
    let table = [
        ("x.example", "/exact", "a"),
        ("x.example", "/exact/", ""),
        ("x.example", "/slash/", "a"),
        ("x.example", "/slash", ""),
        ("x.example", "/tree", "b"),
        ("x.example", "/tree/", "b"),
        ("x.example", "/tree/deeper", "b"),
        ("x.example", "/trees", ""),
        ("x.example", "/forest", "c"),
        ("x.example", "/forest/", "c"),
        ("x.example", "/forest/deeper", "c"),
        ("x.example", "/forests", ""),
    ];
    balancer.sends(&table).await;
}

#[tokio::test]
async fn the_longest_path_is_used_in_every_order() {
    let mut paths = [
        path("/*", "ImplementationSpecific", "all"),
        path("/a", "Prefix", "a"),
        path("/a/b/*", "ImplementationSpecific", "ab"),
        path("/a/b/c", "Exact", "abc"),
        path("/a/b", "Exact", "ab-alone"),
        path("/a/", "Exact", "a-slash"),
    ];
    let services = ["all", "a", "ab", "abc", "ab-alone", "a-slash"];
    let ingress_of = |paths: &[String]| ingress(&format!("{{rules: [{}]}}", rule("", paths)));
    let balancer = Balancer::of(&ingress_of(&paths), &services).await;
    let table = [
        ("x.example", "/", "all"),
        ("x.example", "/b", "all"),
        ("x.example", "/ab", "all"),
        ("x.example", "/a", "a"),
        ("x.example", "/a/", "a-slash"),
        ("x.example", "/a/x", "a"),
        ("x.example", "/a/b", "ab-alone"),
        ("x.example", "/a/b/", "ab"),
        ("x.example", "/a/b/c", "abc"),
        ("x.example", "/a/b/c/d", "ab"),
    ];
    balancer.sends(&table).await;
    paths.reverse();
    let reversed = converted(&ingress_of(&paths), &services, &[]).written().await;
    assert_eq!(reversed.routes(), balancer.written.routes());
}

#[tokio::test]
async fn a_host_name_has_its_own_paths_and_a_wildcard_has_the_paths_of_all_subdomains() {
    let rules = [
        rule("", &[path("/only-here", "Prefix", "others")]),
        rule("*.example.com", &[path("/", "Prefix", "wild")]),
        rule("*.b.example.com", &[path("/", "Prefix", "wilder")]),
        rule("a.example.com", &[path("/here", "Prefix", "named")]),
    ];
    let spec = format!(
        "{{rules: [{}], defaultBackend: {{service: {{name: default, port: {{number: 80}}}}}}}}",
        rules.join(", ")
    );
    let balancer = Balancer::of(&ingress(&spec), &["default", "others", "wild", "wilder", "named"]).await;
    let table = [
        ("a.example.com", "/here", "named"),
        ("A.Example.Com", "/here", "named"),
        // A request without a matching rule of its host goes to the default backend, not to rules of other hosts.
        ("a.example.com", "/only-here", "default"),
        ("a.example.com", "/", "default"),
        ("c.example.com", "/here", "wild"),
        ("d.c.example.com", "/", "wild"),
        ("c.b.example.com", "/", "wilder"),
        ("b.example.com", "/", "wild"),
        ("example.com", "/", "default"),
        ("example.com", "/only-here", "others"),
        ("other.test", "/only-here/deeper", "others"),
        ("other.test", "/", "default"),
    ];
    balancer.sends(&table).await;
}

#[tokio::test]
async fn of_two_equal_paths_or_hosts_the_later_one_is_used() {
    let rules = [
        rule("twice.example", &[path("/gone", "Exact", "a")]),
        rule(
            "twice.example",
            &[
                path("/x", "Exact", "a"),
                path("/x", "Exact", "b"),
                path("/x/*", "ImplementationSpecific", "b"),
            ],
        ),
        rule("", &[path("/y", "Prefix", "a"), path("/y", "Exact", "b")]),
    ];
    let balancer = Balancer::of(&ingress(&format!("{{rules: [{}]}}", rules.join(", "))), &["a", "b"]).await;
    let table = [
        ("twice.example", "/gone", ""),
        ("twice.example", "/x", "b"),
        ("twice.example", "/x/y", "b"),
        ("x.example", "/y", "b"),
        ("x.example", "/y/z", "a"),
    ];
    balancer.sends(&table).await;
    let told = |text: &str| balancer.written.notes().iter().filter(|note| note.contains(text)).count();
    assert_eq!(told("/x is given twice for this host: the later one is used, as in GKE"), 1);
    assert_eq!(told("/y is given twice"), 1);
    assert_eq!(told("a second rule for this host: it replaces the first rule, as in GKE"), 1);
}

#[tokio::test]
async fn a_rule_without_paths_is_ignored() {
    let rules = ["{host: empty.example}".to_owned(), rule("", &[path("/", "Prefix", "a")])];
    let balancer = Balancer::of(&ingress(&format!("{{rules: [{}]}}", rules.join(", "))), &["a"]).await;
    balancer.sends(&[("empty.example", "/", "a")]).await;
    let told = balancer.written.notes();
    assert!(told.iter().any(|note| note.contains(": spec.rules[0]: note: a rule without paths")), "{told:?}");
}

#[tokio::test]
async fn both_versions_of_an_ingress_give_the_same_result() {
    let new = convert(&all(&[stateful_set("app", 2), service("app"), ingress_to("app")])).written().await;
    let old = ingress("{backend: {serviceName: app, servicePort: 80}}").replace("io/v1", "io/v1beta1");
    for old in [old.clone(), old.replace("networking.k8s.io", "extensions")] {
        let old = convert(&all(&[stateful_set("app", 2), service("app"), old])).written().await;
        assert_eq!(new.value, old.value);
    }
}

#[tokio::test]
async fn a_port_is_found_by_its_number_and_by_its_name() {
    let ports = "  - {name: web, port: 80, targetPort: http}
  - {name: admin, port: 81, targetPort: 9090}
";
    let service = service("app").replace("  - port: 80\n    targetPort: 8080\n", ports);
    for (port, wanted, target) in [
        ("number: 80", "app", "app-0.app:8080"),
        ("name: web", "app", "app-0.app:8080"),
        ("number: 81", "app_81", "app-0.app:9090"),
        ("name: admin", "app_81", "app-0.app:9090"),
    ] {
        let ingress = ingress(&format!("{{defaultBackend: {{service: {{name: app, port: {{{port}}}}}}}}}"));
        let written = convert(&all(&[stateful_set("app", 1), service.clone(), ingress])).written().await;
        assert_eq!(written.service()["name"], wanted, "{port}");
        assert_eq!(written.pods()[0].1, target, "{port}");
    }
    for (port, wanted) in [("80", "app"), ("web", "app"), ("81", "app_81"), ("admin", "app_81")] {
        let ingress = ingress(&format!("{{backend: {{serviceName: app, servicePort: {port}}}}}"));
        let ingress = ingress.replace("networking.k8s.io/v1", "networking.k8s.io/v1beta1");
        let written = convert(&all(&[stateful_set("app", 1), service.clone(), ingress])).written().await;
        assert_eq!(written.service()["name"], wanted, "{port}");
    }
}

#[tokio::test]
async fn every_route_that_the_filter_writes_a_cluster_for_belongs_to_a_service() {
    let paths =
        [path("/a", "Prefix", "a"), path("/b/*", "ImplementationSpecific", "b"), path("/c", "Exact", "a")];
    let ingress = ingress(&format!("{{rules: [{}]}}", rule("", &paths)));
    let written = converted(&ingress, &["a", "b"], &[]).written().await;
    let served: BTreeSet<&str> = written
        .services()
        .iter()
        .flat_map(|service| service["routes"].as_array().unwrap())
        .map(|route| route.as_str().unwrap())
        .collect();
    for route in written.routes() {
        let is_served = served.contains(route["name"].as_str().unwrap());
        assert_eq!(is_served, route.pointer("/route/cluster_header").is_some(), "{route}");
        assert_eq!(is_served, route.get("direct_response").is_none(), "{route}");
    }
}
