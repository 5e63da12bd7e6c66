//! Mistakes: with the file, the line, the field, what is wrong and what to write; and nothing is written.

use crate::manifests::{
    all, annotated, backend_config, configured, ingress, ingress_to, path, rule, service, stateful_set,
};
use crate::support::{convert, convert_files, convert_with, remarks};

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
        "spec.sessionAffinity.affinityType: error: unknown type \"COOKIE\"; \
         write NONE, CLIENT_IP or GENERATED_COOKIE"
    );
    assert_eq!(
        affinity("affinityCookieTtlSec: \"50\""),
        "spec.sessionAffinity.affinityCookieTtlSec: error: invalid value: \"50\"; \
         write an integer from 0 to 1209600"
    );
    assert_eq!(
        affinity("affinityCookieTtlSec: 1209601"),
        "spec.sessionAffinity.affinityCookieTtlSec: error: invalid value: 1209601; \
         write an integer from 0 to 1209600"
    );
    assert_eq!(
        affinity("affinityCookieTTLSec: 50"),
        "spec.sessionAffinity.affinityCookieTTLSec: error: unknown field `affinityCookieTTLSec`; \
         write one of affinityType, affinityCookieTtlSec"
    );
    assert_eq!(
        config("{sessionAffinity: GENERATED_COOKIE}"),
        "spec.sessionAffinity: error: wrong type; write a mapping"
    );
    assert_eq!(
        config("{healthCheck: {timeoutSec: 20}}"),
        "spec.healthCheck.timeoutSec: error: 20 s are longer than the time between two probes; \
         write at most checkIntervalSec, which is 15"
    );
    assert_eq!(
        config("{timeoutSec: 0}"),
        "spec.timeoutSec: error: invalid value: 0; write an integer from 1 to 2147483647"
    );
    assert_eq!(
        config("{customRequestHeaders: {headers: [no header]}}"),
        "spec.customRequestHeaders.headers[0]: error: not a header: \"no header\"; write \"NAME:VALUE\""
    );
    assert_eq!(
        config("{logging: {enable: true, sampleRate: 2}}"),
        "spec.logging.sampleRate: error: invalid value: 2; write a number from 0 to 1"
    );
}

#[test]
fn every_mistake_is_told_at_once_with_its_file_and_line() {
    let files = [
        ("deployment.yaml", stateful_set("app", 2).replace("replicas: 2", "replicas: two")),
        ("service.yaml", service("app").replace("port: 80\n", "prot: 80\n")),
        ("ingress.yaml", ingress_to("app").replace("defaultBackend", "backend")),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    let mistakes = convert_files(&files, &[]).mistakes();
    let wanted = [
        "deployment.yaml:6: spec.replicas: error: invalid value: \"two\"; write an integer from 0 to 10000",
        "service.yaml:8: spec.ports[0].prot: error: unknown field `prot`; write one of name, port, targetPort, \
         protocol, appProtocol, nodePort",
    ];
    assert_eq!(mistakes, wanted);
    // What an Ingress as a whole says is looked at where all fields of all manifests are right.
    assert_eq!(
        mistake(&all(&[
            stateful_set("app", 1),
            service("app"),
            ingress_to("app").replace("defaultBackend", "backend")
        ])),
        "spec.backend: error: unknown field in networking.k8s.io/v1; write `defaultBackend`"
    );
    assert_eq!(
        mistake(&all(&[stateful_set("app", 1), service("app"), ingress("{}")])),
        "metadata.name: error: neither a default backend nor rules; write `defaultBackend`, `rules`, or both"
    );
}

#[test]
fn a_mistake_has_its_column_and_shows_the_line() {
    let conversion = convert(&configured("{sessionAffinity: {affinityCookieTtlSec: -1}}"));
    let line = "spec: {sessionAffinity: {affinityCookieTtlSec: -1}}";
    assert!(conversion.said.contains(line), "{}", conversion.said);
    let column = line.find("-1").unwrap() + 1;
    assert!(conversion.said.contains(&format!(" --> all.yaml:36:{column}\n")), "{}", conversion.said);
    assert!(conversion.said.contains("^^ spec.sessionAffinity.affinityCookieTtlSec"), "{}", conversion.said);
}

#[test]
fn what_is_not_yaml_is_told_with_its_line() {
    assert_eq!(mistake("kind: [Service\n"), "error: not YAML: unclosed bracket '['; write YAML or JSON");
    let twice = service("app").replace("spec:\n", "kind: Service\nspec:\n");
    assert_eq!(mistake(&twice), "error: not YAML: duplicate mapping key: kind; write YAML or JSON");
    let wanted =
        "all.yaml:1: error: no manifest in this file; write at least one manifest, or leave the file out";
    assert_eq!(convert("# nothing\n").mistakes().remove(0), wanted);
}

#[test]
fn a_mistake_is_one_line_whatever_a_manifest_holds() {
    let told = config("{\"\\e[31mred\\nblue\": 1}");
    assert!(
        told.starts_with("spec.\\u{1b}[31mred\\nblue: error: unknown field `␛[31mred blue`; write one of "),
        "{told}"
    );
}

#[test]
fn a_kind_that_is_not_read_is_skipped_with_a_note() {
    let other = |kind: &str, version: &str| {
        format!("---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n")
    };
    let others = [
        other("ConfigMap", "v1"),
        other("ConfigMap", "v1"),
        other("FrontendConfig", "networking.gke.io/v1beta1"),
        other("Service", "serving.knative.dev/v1"),
    ];
    let conversion = convert(&(configured("{}") + &others.concat()));
    assert!(conversion.succeeded, "{}", conversion.said);
    let told: Vec<String> =
        remarks(&conversion.said).iter().map(|told| told.split_once(": ").unwrap().1.to_owned()).collect();
    let wanted = ["ConfigMap", "FrontendConfig", "Service"]
        .map(|kind| format!("kind: note: skipped: nothing is read from objects of kind {kind}"));
    assert_eq!(told, wanted);
}

#[test]
fn an_unknown_version_or_no_kind_at_all_is_a_mistake() {
    assert_eq!(
        mistake(&configured("{}").replace("apps/v1", "apps/v1beta2")),
        "apiVersion: error: unknown version of StatefulSet: \"apps/v1beta2\"; write apps/v1"
    );
    assert_eq!(
        mistake(&(configured("{}") + "---\nmetadata: {name: x}\n")),
        "error: missing field `kind`; write Deployment, StatefulSet, Service, BackendConfig, Ingress, \
         Gateway, HTTPRoute, GCPBackendPolicy, HealthCheckPolicy, or List"
    );
    assert_eq!(
        mistake(&(configured("{}") + "---\n- a list\n")),
        "error: not a manifest; write an object with a kind: Deployment, StatefulSet, Service, BackendConfig, \
         Ingress, Gateway, HTTPRoute, GCPBackendPolicy, HealthCheckPolicy"
    );
}

#[test]
fn what_is_referred_to_must_be_there() {
    let base = [stateful_set("app", 1), service("app")];
    let with = |document: String| mistake(&all(&[base[0].clone(), base[1].clone(), document]));
    assert_eq!(
        with(ingress_to("other")),
        "spec.defaultBackend.service.name: error: no Service \"other\" in namespace default; write one of app"
    );
    assert_eq!(
        with(ingress_to("app").replace("number: 80", "number: 81")),
        "spec.defaultBackend.service.port: error: Service app has no port 81; write one of 80"
    );
    assert_eq!(
        with(ingress_to("app").replace("number: 80", "number: 80, name: web")),
        "spec.defaultBackend.service.port: error: a port has either a name or a number; write {name: …} or {number: …}"
    );
    let annotation = "cloud.google.com/backend-config: '{\"default\": \"app\"}'";
    assert_eq!(
        mistake(&all(&[stateful_set("app", 1), annotated(&service("app"), annotation), ingress_to("app")])),
        "metadata.annotations[cloud.google.com/backend-config]: error: no BackendConfig \"app\" in namespace default; \
         add the BackendConfig to the manifests"
    );
    assert_eq!(
        mistake(&all(&[service("app"), ingress_to("app")])),
        "spec.selector: error: no manifest has the pods of this Service: {app: app}; add the Deployment, or give \
         --endpoints app=ADDRESS,…, --dns app=HOST of a headless Service, or --eds DIR; --to kubernetes needs none of \
         them"
    );
    assert_eq!(
        mistake(&all(&[stateful_set("app", 1), service("app").replace("8080", "admin"), ingress_to("app")])),
        "spec.ports[0]: error: its pods have no such port: targetPort admin; write the name of one of its pods' ports, a \
         number, or addresses with ports in --endpoints"
    );
    assert_eq!(
        mistake(&all(&[stateful_set("app", 0), service("app"), ingress_to("app")])),
        "spec.replicas: error: there is no pod to send requests to; \
         write at least 1, or give --endpoints app=ADDRESS,…"
    );
}

#[test]
fn objects_of_another_namespace_are_not_there() {
    let elsewhere = service("app").replace("  name: app\n", "  name: app\n  namespace: other\n");
    assert!(mistake(&all(&[stateful_set("app", 1), elsewhere, ingress_to("app")])).starts_with(
        "spec.defaultBackend.service.name: error: no Service \"app\" in namespace default; \
             add the Service to the manifests"
    ));
}

#[test]
fn an_annotation_that_gke_cannot_read_is_a_mistake() {
    let told = |annotation: &str| {
        mistake(&all(&[stateful_set("app", 1), annotated(&service("app"), annotation), ingress_to("app")]))
    };
    let help = r#"write {"default": "NAME", "ports": {"PORT": "NAME"}}, with at least one name"#;
    let field = "metadata.annotations[cloud.google.com/backend-config]";
    for (value, wrong) in [
        ("{}", "no BackendConfig: {}"),
        ("{\"defualt\": \"app\"}", "unknown field `defualt`, expected `default` or `ports`"),
        ("{\"ports\": {\"80\": 1}}", "invalid type: integer `1`, expected a string"),
        ("app", "expected value"),
    ] {
        let told = told(&format!("cloud.google.com/backend-config: '{value}'"));
        assert!(told.starts_with(&format!("{field}: error: ")), "{told}");
        assert!(told.contains(wrong) && told.ends_with(&format!("; {help}")), "{told}");
    }
    let protocol = told("cloud.google.com/app-protocols: '{\"web\": \"HTTP3\"}'");
    assert!(
        protocol.starts_with("metadata.annotations[cloud.google.com/app-protocols]: error: "),
        "{protocol}"
    );
    assert!(protocol.contains("unknown variant `HTTP3`"), "{protocol}");
    assert!(
        protocol
            .ends_with("write {\"PORT NAME\": PROTOCOL}, where PROTOCOL is \"HTTP\", \"HTTPS\" or \"HTTP2\""),
        "{protocol}"
    );
    assert!(told("cloud.google.com/neg: '{\"ingress\": false}'").starts_with(
        "metadata.annotations[cloud.google.com/neg]: error: a GKE Ingress cannot reach a Service of type ClusterIP"
    ));
}

#[test]
fn a_host_or_path_that_kubernetes_or_gke_would_refuse_is_a_mistake() {
    let told = |rules: String| {
        mistake(&all(&[stateful_set("app", 1), service("app"), ingress(&format!("{{rules: [{rules}]}}"))]))
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
        assert!(mistake.starts_with("spec.rules[0].host: error: not a host: "), "{host}: {mistake}");
    }
    for (path_type, wrong) in [
        ("Exact", vec!["", "no-slash", "/star/*", "/a//b", "/a/../b", "/a/.", "/a%2Fb", "/a?b", "/a b"]),
        ("Prefix", vec!["", "no-slash", "/star*", "/a//b", "/./a"]),
        ("ImplementationSpecific", vec!["no-slash", "/star*", "/*/star", "/a?b", "/a#b"]),
    ] {
        for wrong in wrong {
            let mistake = told(rule("", &[path(wrong, path_type, "app")]));
            let wanted = format!(
                "spec.rules[0].http.paths[0].path: error: not a path of this type: {wrong:?}; write "
            );
            assert!(mistake.starts_with(&wanted), "{path_type} {wrong}: {mistake}");
        }
    }
    let untyped = rule("", &[path("/", "Prefix", "app").replace("pathType: Prefix, ", "")]);
    assert_eq!(
        told(untyped),
        "spec.rules[0].http.paths[0]: error: missing field `pathType`; add Exact, Prefix or ImplementationSpecific"
    );
    assert_eq!(
        told(rule("", &[path("/", "prefix", "app")])),
        "spec.rules[0].http.paths[0].pathType: error: unknown variant `prefix`; \
         write one of Exact, Prefix, ImplementationSpecific"
    );
}

#[test]
fn an_ingress_that_is_not_gkes_or_leads_to_no_service_is_a_mistake() {
    let with = |ingress: String| mistake(&all(&[stateful_set("app", 1), service("app"), ingress]));
    assert_eq!(
        with(annotated(
            &ingress_to("app").replace("spec: ", "spec:\n  "),
            "kubernetes.io/ingress.class: nginx"
        )),
        "metadata.annotations[kubernetes.io/ingress.class]: error: not an Ingress of GKE: its class is \"nginx\"; \
         write gce, gce-internal or gce-regional-external, or leave the annotation out"
    );
    assert_eq!(
        with(ingress_to("app").replace("spec: {", "spec: {ingressClassName: gce, ")),
        "spec.ingressClassName: error: not an Ingress of GKE, which has no class \"gce\"; \
         write the annotation kubernetes.io/ingress.class"
    );
    assert_eq!(
        with(ingress("{defaultBackend: {resource: {kind: Bucket}}}")),
        "spec.defaultBackend.resource: error: a GKE Ingress sends requests to Services alone; write a Service"
    );
    assert_eq!(
        with(ingress("{rules: [{host: a.example}]}")),
        "metadata.name: error: no request is sent anywhere; write a default backend or paths"
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
         choose one with --ingress: default/main, default/other"
    );
    assert!(convert_with(&two, &["--ingress", "other"]).succeeded);
    assert!(convert_with(&two, &["--ingress", "default/main"]).succeeded);
    assert_eq!(
        convert_with(&two, &["--ingress", "third"]).mistakes(),
        ["--ingress:1: error: there is no Ingress third; write one of default/main, default/other"]
    );
    let none = all(&[stateful_set("app", 1), service("app")]);
    assert_eq!(
        convert(&none).mistakes(),
        ["FILE:1: error: no Ingress among the manifests; add an Ingress or a Gateway"]
    );
}
