//! Mistakes: with the file, the line, the field, what is allowed and what was given; and nothing is written.

use crate::manifests::{
    all, annotated, backend_config, configured, deployment, ingress, ingress_to, path, rule, service,
};
use crate::support::{convert, convert_files, convert_with};

/// The one mistake, without the line.
fn mistake(manifests: &str) -> String {
    let mistakes = convert(manifests).mistakes();
    let [mistake] = &*mistakes else { panic!("one mistake: {mistakes:#?}") };
    let (place, what) = mistake.split_once(": ").unwrap();
    assert!(place.strip_prefix("all.yaml:").unwrap().parse::<usize>().is_ok(), "{place}");
    what.to_owned()
}

/// All that a BackendConfig of this specification is told.
fn config(spec: &str) -> String {
    mistake(&configured(spec))
}

#[test]
fn a_value_that_is_not_allowed_is_named_with_what_is() {
    let affinity = |fields: &str| config(&format!("{{sessionAffinity: {{{fields}}}}}"));
    assert_eq!(
        affinity("affinityType: COOKIE"),
        "spec.sessionAffinity.affinityType: error: unknown value; \
         allowed: NONE, CLIENT_IP, GENERATED_COOKIE; given: \"COOKIE\""
    );
    assert_eq!(
        affinity("affinityCookieTtlSec: \"50\""),
        "spec.sessionAffinity.affinityCookieTtlSec: error: wrong type; \
         allowed: an integer from 0 to 1209600; given: \"50\""
    );
    assert_eq!(
        affinity("affinityCookieTtlSec: 1209601"),
        "spec.sessionAffinity.affinityCookieTtlSec: error: out of range; \
         allowed: an integer from 0 to 1209600; given: 1209601"
    );
    assert_eq!(
        affinity("affinityCookieTTLSec: 50"),
        "spec.sessionAffinity.affinityCookieTTLSec: error: unknown field; \
         allowed: affinityCookieTtlSec, affinityType"
    );
    assert_eq!(
        config("{sessionAffinity: GENERATED_COOKIE}"),
        "spec.sessionAffinity: error: wrong type; allowed: an object; given: \"GENERATED_COOKIE\""
    );
    assert_eq!(
        config("{healthCheck: {timeoutSec: 20}}"),
        "spec.healthCheck.timeoutSec: error: longer than the time between two probes; \
         allowed: at most checkIntervalSec, which is 15; given: 20"
    );
    assert_eq!(
        config("{timeoutSec: 0}"),
        "spec.timeoutSec: error: out of range; allowed: an integer from 1 to 2147483647; given: 0"
    );
    assert_eq!(
        config("{customRequestHeaders: {headers: [no header]}}"),
        "spec.customRequestHeaders.headers[0]: error: not a header; allowed: \"NAME:VALUE\"; given: \"no header\""
    );
    assert_eq!(
        config("{logging: {enable: true, sampleRate: 2}}"),
        "spec.logging.sampleRate: error: wrong type or out of range; allowed: a number from 0 to 1; given: 2"
    );
}

#[test]
fn every_mistake_is_told_at_once_with_its_file_and_line() {
    let files = [
        ("deployment.yaml", deployment("app", 2).replace("replicas: 2", "replicas: two")),
        ("service.yaml", service("app").replace("port: 80\n", "prot: 80\n")),
        ("ingress.yaml", ingress_to("app").replace("defaultBackend", "backend")),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    let wanted = [
        "deployment.yaml:6: spec.replicas: error: wrong type; allowed: an integer from 0 to 10000; given: \"two\"",
        "service.yaml:8: spec.ports[0].prot: error: unknown field; allowed: appProtocol, name, nodePort, port, \
         protocol, targetPort",
        "service.yaml:8: spec.ports[0].port: error: missing; allowed: an integer from 1 to 65535",
        "ingress.yaml:5: spec: error: neither a default backend nor rules; allowed: one of them or both",
        "ingress.yaml:5: spec.backend: error: unknown field; allowed: defaultBackend, ingressClassName, rules, tls",
    ];
    let mut mistakes = convert_files(&files, &[]).mistakes();
    let mut wanted = wanted.map(str::to_owned).to_vec();
    mistakes.sort();
    wanted.sort();
    for wanted in wanted {
        assert!(mistakes.contains(&wanted), "{wanted}\n{mistakes:#?}");
    }
}

#[test]
fn what_is_not_yaml_is_told_with_its_line() {
    assert_eq!(mistake("kind: [Service\n"), "error: not YAML: unclosed bracket '['");
    let twice = service("app").replace("spec:\n", "kind: Service\nspec:\n");
    assert_eq!(mistake(&twice), "error: not YAML: duplicate mapping key: kind");
    assert_eq!(convert("# nothing\n").mistakes().remove(0), "all.yaml: error: no manifest in this file");
}

#[test]
fn a_mistake_is_one_line_whatever_a_manifest_holds() {
    let told = config("{\"\\e[31mred\\nblue\": 1}");
    assert!(told.starts_with("spec.\\u{1b}[31mred\\nblue: error: unknown field; allowed: "), "{told}");
}

#[test]
fn an_unknown_kind_or_version_is_a_mistake() {
    assert_eq!(
        mistake(&(configured("{}") + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")),
        "kind: error: unknown kind; \
         allowed: Deployment, StatefulSet, Service, BackendConfig, Ingress, List; given: \"ConfigMap\""
    );
    assert_eq!(
        mistake(&configured("{}").replace("apps/v1", "apps/v1beta2")),
        "apiVersion: error: unknown version of this kind; allowed: apps/v1; given: \"apps/v1beta2\""
    );
    assert_eq!(
        mistake(&(configured("{}") + "---\nmetadata: {name: x}\n")),
        "kind: error: missing; allowed: Deployment, StatefulSet, Service, BackendConfig, Ingress, List"
    );
    assert_eq!(
        mistake(&(configured("{}") + "---\n- a list\n")),
        "error: wrong type; allowed: an object; given: a list of 1"
    );
}

#[test]
fn what_is_referred_to_must_be_there() {
    let base = [deployment("app", 1), service("app")];
    let with = |document: String| mistake(&all(&[base[0].clone(), base[1].clone(), document]));
    assert_eq!(
        with(ingress_to("other")),
        "spec.defaultBackend.service.name: error: no such Service in namespace default; \
         allowed: app; given: \"other\""
    );
    assert_eq!(
        with(ingress_to("app").replace("number: 80", "number: 81")),
        "spec.defaultBackend.service.port: error: Service app has no such port; allowed: 80; given: 81"
    );
    assert_eq!(
        with(ingress_to("app").replace("number: 80", "number: 80, name: web")),
        "spec.defaultBackend.service.port: error: a port has either a name or a number; allowed: {name} or {number}"
    );
    let annotation = "cloud.google.com/backend-config: '{\"default\": \"app\"}'";
    assert_eq!(
        mistake(&all(&[deployment("app", 1), annotated(&service("app"), annotation), ingress_to("app")])),
        "metadata.annotations[cloud.google.com/backend-config]: error: no such BackendConfig in namespace default; \
         allowed: a BackendConfig among the manifests; given: \"app\""
    );
    assert_eq!(
        mistake(&all(&[service("app"), ingress_to("app")])),
        "spec.selector: error: no manifest has its pods; allowed: a Deployment or StatefulSet with these labels, or \
         --endpoints app=ADDRESS,…; given: {app: app}"
    );
    assert_eq!(
        mistake(&all(&[deployment("app", 1), service("app").replace("8080", "admin"), ingress_to("app")])),
        "spec.ports[0]: error: its pods have no such port; allowed: the name of one of its pods' ports, a number, or \
         addresses with ports in --endpoints; given: targetPort admin"
    );
    assert_eq!(
        mistake(&all(&[deployment("app", 0), service("app"), ingress_to("app")])),
        "spec.replicas: error: there is no pod to send requests to; \
         allowed: an integer from 1, or --endpoints app=ADDRESS,…; given: 0"
    );
}

#[test]
fn objects_of_another_namespace_are_not_there() {
    let elsewhere = service("app").replace("  name: app\n", "  name: app\n  namespace: other\n");
    assert!(mistake(&all(&[deployment("app", 1), elsewhere, ingress_to("app")])).starts_with(
        "spec.defaultBackend.service.name: error: no such Service in namespace default; \
             allowed: a Service among the manifests"
    ));
}

#[test]
fn an_annotation_that_gke_cannot_read_is_a_mistake() {
    let told = |annotation: &str| {
        mistake(&all(&[deployment("app", 1), annotated(&service("app"), annotation), ingress_to("app")]))
    };
    let allowed = r#"allowed: {"default": "NAME", "ports": {"PORT": "NAME"}}, at least one name"#;
    let field = "metadata.annotations[cloud.google.com/backend-config]";
    for (value, wrong) in [
        ("{}", "no BackendConfig"),
        ("{\"defualt\": \"app\"}", "unknown field, or wrong type: defualt"),
        ("{\"ports\": {\"80\": 1}}", "the name of a BackendConfig is no string"),
    ] {
        assert_eq!(
            told(&format!("cloud.google.com/backend-config: '{value}'")),
            format!("{field}: error: {wrong}; {allowed}; given: {value}")
        );
    }
    let broken = told("cloud.google.com/backend-config: 'app'");
    assert!(broken.starts_with(&format!("{field}: error: not a JSON object (")), "{broken}");
    assert_eq!(
        told("cloud.google.com/app-protocols: '{\"web\": \"HTTP3\"}'"),
        "metadata.annotations[cloud.google.com/app-protocols]: error: unknown protocol; \
         allowed: {\"PORT NAME\": PROTOCOL} with HTTP, HTTPS, HTTP2; given: {\"web\": \"HTTP3\"}"
    );
    assert!(told("cloud.google.com/neg: '{\"ingress\": false}'").starts_with(
        "metadata.annotations[cloud.google.com/neg]: error: a GKE Ingress cannot reach a Service of type ClusterIP"
    ));
}

#[test]
fn a_host_or_path_that_kubernetes_or_gke_would_refuse_is_a_mistake() {
    let told = |rules: String| {
        mistake(&all(&[deployment("app", 1), service("app"), ingress(&format!("{{rules: [{rules}]}}"))]))
    };
    for host in [
        "192.0.2.1",
        "Upper.example",
        "*",
        "a.*.example",
        "example.com:80",
        "under_score.example",
        "-a.example",
    ] {
        let mistake = told(rule(host, &[path("/", "Prefix", "app")]));
        assert!(mistake.starts_with("spec.rules[0].host: error: not a host; allowed: "), "{host}: {mistake}");
    }
    for (path_type, wrong) in [
        ("Exact", vec!["", "no-slash", "/star/*", "/a//b", "/a/../b", "/a/.", "/a%2Fb", "/a?b", "/a b"]),
        ("Prefix", vec!["", "no-slash", "/star*", "/a//b", "/./a"]),
        ("ImplementationSpecific", vec!["no-slash", "/star*", "/*/star", "/a?b", "/a#b"]),
    ] {
        for wrong in wrong {
            let mistake = told(rule("", &[path(wrong, path_type, "app")]));
            let wanted = "spec.rules[0].http.paths[0].path: error: not a path of this type; allowed: ";
            assert!(mistake.starts_with(wanted), "{path_type} {wrong}: {mistake}");
        }
    }
    let untyped = rule("", &[path("/", "Prefix", "app").replace("pathType: Prefix, ", "")]);
    assert_eq!(
        told(untyped),
        "spec.rules[0].http.paths[0].pathType: error: missing; allowed: Exact, Prefix, ImplementationSpecific"
    );
    assert_eq!(
        told(rule("", &[path("/", "prefix", "app")])),
        "spec.rules[0].http.paths[0].pathType: error: unknown value; \
         allowed: Exact, Prefix, ImplementationSpecific; given: \"prefix\""
    );
}

#[test]
fn an_ingress_that_is_not_gkes_or_leads_to_no_service_is_a_mistake() {
    let with = |ingress: String| mistake(&all(&[deployment("app", 1), service("app"), ingress]));
    assert_eq!(
        with(annotated(
            &ingress_to("app").replace("spec: ", "spec:\n  "),
            "kubernetes.io/ingress.class: nginx"
        )),
        "metadata.annotations[kubernetes.io/ingress.class]: error: not an Ingress of GKE; \
         allowed: gce, gce-internal, gce-regional-external, or no such annotation; given: \"nginx\""
    );
    assert_eq!(
        with(ingress_to("app").replace("spec: {", "spec: {ingressClassName: gce, ")),
        "spec.ingressClassName: error: not an Ingress of GKE, which has no such class; \
         allowed: the annotation kubernetes.io/ingress.class; given: \"gce\""
    );
    assert_eq!(
        with(ingress("{defaultBackend: {resource: {kind: Bucket}}}")),
        "spec.defaultBackend.resource: error: a GKE Ingress sends requests to Services alone; allowed: a Service"
    );
    assert_eq!(
        with(ingress("{rules: [{host: a.example}]}")),
        "metadata.name: error: no request is sent anywhere; allowed: a default backend or paths"
    );
}

#[test]
fn two_manifests_of_one_name_are_a_mistake() {
    let twice = all(&[configured("{}"), backend_config("app", "{}")]);
    assert!(
        mistake(&twice).starts_with(
            "metadata.name: error: a second BackendConfig of this name; the first is at all.yaml:"
        )
    );
}

#[test]
fn of_several_ingresses_one_must_be_chosen() {
    let two = all(&[configured("{}"), ingress_to("app").replace("name: main", "name: other")]);
    assert_eq!(
        mistake(&two),
        "metadata.name: error: a second Ingress, which has a balancer of its own in GKE; \
         allowed: one, chosen with --ingress; given: default/main, default/other"
    );
    assert!(convert_with(&two, &["--ingress", "other"]).succeeded);
    assert!(convert_with(&two, &["--ingress", "default/main"]).succeeded);
    assert_eq!(
        convert_with(&two, &["--ingress", "third"]).mistakes(),
        ["--ingress: error: no such Ingress; allowed: default/main, default/other; given: third"]
    );
    let none = all(&[deployment("app", 1), service("app")]);
    assert_eq!(convert(&none).mistakes(), ["FILE: error: no Ingress among the manifests; allowed: one"]);
}
