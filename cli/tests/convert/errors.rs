//! Errors of the converter: the file, the line, the field, what is wrong and what to write. Nothing is written.

use crate::manifests::{
    all, annotated, backend_config, configured, ingress, ingress_to, path, rule, service,
    service_with_config, stateful_set,
};
use crate::support::{convert, convert_files, convert_with, remarks};

/// The only error, without the line.
fn error(manifests: &str) -> String {
    let errors = convert(manifests).errors();
    let [error] = &*errors else { panic!("one error: {errors:#?}") };
    let (place, what) = error.split_once(": ").unwrap();
    assert!(place.strip_prefix("all.yaml:").unwrap().parse::<usize>().is_ok(), "{place}");
    what.to_owned()
}

/// The only error of a BackendConfig with this spec.
fn config(spec: &str) -> String {
    error(&configured(spec))
}

#[test]
fn an_invalid_value_is_shown_with_the_allowed_values() {
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
        "spec.sessionAffinity: error: invalid value: \"GENERATED_COOKIE\"; write a mapping"
    );
    assert_eq!(
        config("{healthCheck: {timeoutSec: 20}}"),
        "spec.healthCheck.timeoutSec: error: a timeout of 20 s is longer than checkIntervalSec; \
         write at most 15"
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
fn a_value_of_the_wrong_type_is_shown_with_the_allowed_type() {
    let count = "an integer from 0 to 1209600";
    for (value, shown) in [("[50]", "a list"), ("{a: 50}", "a mapping"), ("yes", "\"yes\""), ("1.5", "1.5")] {
        assert_eq!(
            config(&format!("{{sessionAffinity: {{affinityCookieTtlSec: {value}}}}}")),
            format!(
                "spec.sessionAffinity.affinityCookieTtlSec: error: invalid value: {shown}; write {count}"
            )
        );
    }
    let name = "spec.securityPolicy.name: error: invalid value: ";
    for (value, told) in [
        ("[x]", "a list; write text"),
        ("{x: y}", "a mapping; write text"),
        ("true", "true; write text, for example \"true\""),
        ("7", "7; write text, for example \"7\""),
    ] {
        assert_eq!(config(&format!("{{securityPolicy: {{name: {value}}}}}")), format!("{name}{told}"));
    }
    assert_eq!(
        config("{customRequestHeaders: {headers: x}}"),
        "spec.customRequestHeaders.headers: error: invalid value: \"x\"; write a list"
    );
    assert_eq!(config("{cdn: [true]}"), "spec.cdn: error: invalid value: a list; write a mapping");
    assert_eq!(
        config("{healthCheck: {type: [HTTP]}}"),
        "spec.healthCheck.type: error: invalid value: a list; write text"
    );
    assert_eq!(
        config("{healthCheck: {type: TCP}}"),
        "spec.healthCheck.type: error: unknown value `TCP`; write one of HTTP, HTTPS, HTTP2"
    );
    assert_eq!(
        error(&configured("{}").replace("  name: main\n", "  name: null\n")),
        "metadata.name: error: invalid value: null; write text"
    );
}

#[test]
fn every_error_is_reported_at_once_with_its_file_and_line() {
    let files = [
        ("deployment.yaml", stateful_set("app", 2).replace("replicas: 2", "replicas: two")),
        ("service.yaml", service("app").replace("port: 80\n", "prot: 80\n")),
        ("ingress.yaml", ingress_to("app").replace("defaultBackend", "backend")),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    let errors = convert_files(&files, &[]).errors();
    let wanted = [
        "deployment.yaml:6: spec.replicas: error: invalid value: \"two\"; write an integer from 0 to 10000",
        "service.yaml:8: spec.ports[0].prot: error: unknown field `prot`; write one of name, port, targetPort, \
         protocol, appProtocol, nodePort",
    ];
    assert_eq!(errors, wanted);
    // An Ingress as a whole is checked only if all fields of all manifests are valid.
    assert_eq!(
        error(&all(&[
            stateful_set("app", 1),
            service("app"),
            ingress_to("app").replace("defaultBackend", "backend")
        ])),
        "spec.backend: error: unknown field `backend` in networking.k8s.io/v1; write `defaultBackend`"
    );
    assert_eq!(
        error(&all(&[stateful_set("app", 1), service("app"), ingress("{}")])),
        "metadata.name: error: there is neither a default backend nor a rule; write `defaultBackend`, `rules`, or both"
    );
}

#[test]
fn an_error_has_its_column_and_shows_the_line() {
    let conversion = convert(&configured("{sessionAffinity: {affinityCookieTtlSec: -1}}"));
    let line = "spec: {sessionAffinity: {affinityCookieTtlSec: -1}}";
    assert!(conversion.said.contains(line), "{}", conversion.said);
    let column = line.find("-1").unwrap() + 1;
    assert!(conversion.said.contains(&format!(" --> all.yaml:36:{column}\n")), "{}", conversion.said);
    assert!(conversion.said.contains("^^ spec.sessionAffinity.affinityCookieTtlSec"), "{}", conversion.said);
}

#[test]
fn text_that_is_not_yaml_is_reported_with_its_line() {
    let help =
        "write YAML or JSON; the parser stops at the marked place, but the error may be in an earlier line";
    assert_eq!(error("kind: [Service\n"), format!("error: not YAML: unclosed bracket '['; {help}"));
    let twice = all(&[service("app"), service("b").replace("spec:\n", "kind: Service\nspec:\n")]);
    assert_eq!(
        convert(&twice).errors(),
        [
            "all.yaml:15: error: the key `kind` is there twice; write the key once, and merge the contents of both"
        ]
    );
    let key = |key: &str| error(&format!("{key}: x\n"));
    assert_eq!(key("[a]"), format!("error: a key is a list or a mapping; only text is allowed; {help}"));
    assert_eq!(key("null"), format!("error: a key is null; only text is allowed; {help}"));
    let wanted = "all.yaml:1: error: no manifest in this file; write at least one manifest, or leave the file out; \
                  the output of this command belongs in another directory";
    assert_eq!(convert("# nothing\n").errors().remove(0), wanted);
}

#[test]
fn an_error_is_one_line_even_with_control_characters() {
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
    ];
    let conversion = convert(&(configured("{}") + &others.concat()));
    assert!(conversion.succeeded, "{}", conversion.said);
    let told: Vec<String> =
        remarks(&conversion.said).iter().map(|told| told.split_once(": ").unwrap().1.to_owned()).collect();
    let wanted = ["ConfigMap", "FrontendConfig"]
        .map(|kind| format!("kind: note: skipped: objects of kind {kind} are not used"));
    assert_eq!(told, wanted);
}

#[test]
fn an_object_of_a_known_kind_and_another_api_group_is_skipped_with_a_warning() {
    let told = |manifests: &str| {
        let told = remarks(&convert(manifests).said);
        told.iter().map(|told| told.split_once(": ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let knative = "---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n";
    let wanted = "apiVersion: skipped: the apiVersion of this Service is \"serving.knative.dev/v1\"; v1 is used; if this \
                  object belongs to the load balancer, write v1";
    assert_eq!(told(&(configured("{}") + knative)), [wanted]);
    let old = configured("{}").replace("apps/v1", "extensions/v1beta1");
    let wanted =
        "apiVersion: skipped: the apiVersion of this StatefulSet is \"extensions/v1beta1\"; apps/v1 is used";
    assert!(told(&old)[0].starts_with(wanted), "{:?}", told(&old));
}

#[test]
fn an_unknown_version_or_no_kind_at_all_is_an_error() {
    assert_eq!(
        error(&configured("{}").replace("apps/v1", "apps/v1beta2")),
        "apiVersion: error: unknown apiVersion of StatefulSet: \"apps/v1beta2\"; write apps/v1"
    );
    assert_eq!(
        error(&(configured("{}") + "---\nmetadata: {name: x}\n")),
        "error: missing field `kind`; write Deployment, StatefulSet, Service, BackendConfig, Ingress, \
         Gateway, HTTPRoute, GCPBackendPolicy, HealthCheckPolicy, or List; or leave the file out"
    );
    assert_eq!(
        error(&(configured("{}") + "---\n- a list\n")),
        "error: not a manifest; write an object with a kind: Deployment, StatefulSet, Service, BackendConfig, \
         Ingress, Gateway, HTTPRoute, GCPBackendPolicy, HealthCheckPolicy"
    );
}

#[test]
fn a_reference_to_a_missing_object_is_an_error() {
    let base = [stateful_set("app", 1), service("app")];
    let with = |document: String| error(&all(&[base[0].clone(), base[1].clone(), document]));
    assert_eq!(
        with(ingress_to("other")),
        "spec.defaultBackend.service.name: error: no Service \"other\" in namespace default; write app"
    );
    assert_eq!(
        with(ingress_to("app").replace("number: 80", "number: 81")),
        "spec.defaultBackend.service.port: error: Service app has no port 81; write 80"
    );
    assert_eq!(
        with(ingress_to("app").replace("number: 80", "number: 80, name: web")),
        "spec.defaultBackend.service.port: error: a port has either a name or a number; write {name: …} or {number: …}"
    );
    let annotation = "cloud.google.com/backend-config: '{\"default\": \"app\"}'";
    assert_eq!(
        error(&all(&[stateful_set("app", 1), annotated(&service("app"), annotation), ingress_to("app")])),
        "metadata.annotations[cloud.google.com/backend-config]: error: no BackendConfig \"app\" in namespace default; \
         add the BackendConfig to the manifests"
    );
    assert_eq!(
        error(&all(&[service("app"), ingress_to("app")])),
        "spec.selector: error: no manifest has the pods of this Service: {app: app}; add the Deployment, or give \
         --endpoints app=ADDRESS,…, --dns app=HOST of a headless Service, or --eds DIR; --to kubernetes needs none of \
         them"
    );
    assert_eq!(
        error(&all(&[stateful_set("app", 1), service("app").replace("8080", "admin"), ingress_to("app")])),
        "spec.ports[0]: error: the pods have no port admin, which targetPort names; write the name of a port of the pods, a \
         number, or addresses with ports in --endpoints"
    );
    assert_eq!(
        error(&all(&[stateful_set("app", 0), service("app"), ingress_to("app")])),
        "spec.replicas: error: there is no pod to send requests to; \
         write at least 1, or give --endpoints app=ADDRESS,…"
    );
}

#[test]
fn objects_of_another_namespace_are_not_there() {
    let elsewhere = service("app").replace("  name: app\n", "  name: app\n  namespace: other\n");
    assert!(error(&all(&[stateful_set("app", 1), elsewhere, ingress_to("app")])).starts_with(
        "spec.defaultBackend.service.name: error: no Service \"app\" in namespace default; \
             the Service is in namespace other: an Ingress only reaches Services of its own namespace"
    ));
    let config = backend_config("app", "{}").replace("name: app\n", "name: app\n  namespace: other\n");
    let told = error(&all(&[stateful_set("app", 1), service_with_config("app"), config, ingress_to("app")]));
    let help = "; the BackendConfig is in namespace other: write `namespace: default` in its metadata";
    assert!(told.ends_with(help), "{told}");
}

#[test]
fn an_annotation_that_gke_cannot_read_is_an_error() {
    let told = |annotation: &str| {
        error(&all(&[stateful_set("app", 1), annotated(&service("app"), annotation), ingress_to("app")]))
    };
    let help = r#"write {"default": "NAME", "ports": {"PORT": "NAME"}}, with at least one name"#;
    let field = "metadata.annotations[cloud.google.com/backend-config]";
    for (value, wrong) in [
        ("{}", "no BackendConfig: {}"),
        ("{\"defualt\": \"app\"}", "error: unknown field `defualt`;"),
        ("{\"ports\": {\"80\": 1}}", "error: invalid value: {\"ports\": {\"80\": 1}};"),
        ("{\"default\": {}}", "error: invalid value: {\"default\": {}};"),
        ("\"app\"", "error: invalid value: \"app\";"),
        ("app", "error: not JSON: expected value"),
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
    assert!(protocol.contains("error: unknown value `HTTP3`;"), "{protocol}");
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
fn a_host_or_path_that_kubernetes_or_gke_would_refuse_is_an_error() {
    let told = |rules: String| {
        error(&all(&[stateful_set("app", 1), service("app"), ingress(&format!("{{rules: [{rules}]}}"))]))
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
        let error = told(rule(host, &[path("/", "Prefix", "app")]));
        assert!(error.starts_with("spec.rules[0].host: error: not a host: "), "{host}: {error}");
    }
    for (path_type, wrong) in [
        ("Exact", vec!["", "no-slash", "/star/*", "/a//b", "/a/../b", "/a/.", "/a%2Fb", "/a?b", "/a b"]),
        ("Prefix", vec!["", "no-slash", "/star*", "/a//b", "/./a"]),
        ("ImplementationSpecific", vec!["no-slash", "/star*", "/*/star", "/a?b", "/a#b"]),
    ] {
        for wrong in wrong {
            let error = told(rule("", &[path(wrong, path_type, "app")]));
            let help = if path_type == "ImplementationSpecific" { "leave `path` out, or " } else { "" };
            let wanted = format!(
                "spec.rules[0].http.paths[0].path: error: not a path of this type: {wrong:?}; {help}write `/` and "
            );
            assert!(error.starts_with(&wanted), "{path_type} {wrong}: {error}");
        }
    }
    let untyped = rule("", &[path("/", "Prefix", "app").replace("pathType: Prefix, ", "")]);
    assert_eq!(
        told(untyped),
        "spec.rules[0].http.paths[0]: error: missing field `pathType`; add Exact, Prefix or ImplementationSpecific"
    );
    assert_eq!(
        told(rule("", &[path("/", "prefix", "app")])),
        "spec.rules[0].http.paths[0].pathType: error: unknown value `prefix`; \
         write one of Exact, Prefix, ImplementationSpecific"
    );
}

#[test]
fn an_ingress_of_another_class_or_without_a_service_is_an_error() {
    let with = |ingress: String| error(&all(&[stateful_set("app", 1), service("app"), ingress]));
    assert_eq!(
        with(annotated(
            &ingress_to("app").replace("spec: ", "spec:\n  "),
            "kubernetes.io/ingress.class: nginx"
        )),
        "metadata.annotations[kubernetes.io/ingress.class]: error: not a GKE Ingress: the class is \"nginx\"; \
         write gce, gce-internal or gce-regional-external, or leave the annotation out"
    );
    assert_eq!(
        with(ingress_to("app").replace("spec: {", "spec: {ingressClassName: gce, ")),
        "spec.ingressClassName: error: not a GKE Ingress: GKE does not read this field; \
         write the annotation kubernetes.io/ingress.class: gce in place of this field"
    );
    assert_eq!(
        with(ingress("{defaultBackend: {resource: {kind: Bucket}}}")),
        "spec.defaultBackend.resource: error: a GKE Ingress sends requests only to Services; write a Service"
    );
    assert_eq!(
        with(ingress("{rules: [{host: a.example}]}")),
        "metadata.name: error: no request is sent anywhere; write a default backend or paths"
    );
}

#[test]
fn two_manifests_of_one_name_are_an_error() {
    let twice = all(&[configured("{}"), backend_config("app", "{}")]);
    assert!(error(&twice).starts_with(
        "metadata.name: error: a second BackendConfig with this name; the first one is at all.yaml:"
    ));
}

#[test]
fn of_several_ingresses_one_must_be_chosen() {
    let two = all(&[configured("{}"), ingress_to("app").replace("name: main", "name: other")]);
    assert_eq!(
        error(&two),
        "metadata.name: error: a second Ingress: in GKE, each Ingress has a separate load balancer; \
         choose one with --ingress: default/main, default/other"
    );
    assert!(convert_with(&two, &["--ingress", "other"]).succeeded);
    assert!(convert_with(&two, &["--ingress", "default/main"]).succeeded);
    assert_eq!(
        convert_with(&two, &["--ingress", "third"]).errors(),
        ["--ingress:1: error: there is no Ingress third; write one of default/main, default/other"]
    );
    let none = all(&[stateful_set("app", 1), service("app")]);
    assert_eq!(
        convert(&none).errors(),
        [": error: no Ingress among the manifests; add an Ingress or a Gateway"]
    );
}
