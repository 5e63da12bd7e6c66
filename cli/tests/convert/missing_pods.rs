//! Services whose pods are in no manifest. Envoy would answer 503.

use crate::kubernetes::{converted, names, objects};
use crate::manifests::{all, deployment, ingress_to, service};
use crate::support::{Conversion, convert, convert_with, remarks};

/// The only warning or error of a conversion to Kubernetes manifests.
fn only(conversion: &Conversion) -> String {
    let mut told = remarks(&conversion.said);
    told.retain(|told| !told.contains(": note: "));
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

fn told(manifests: &[String]) -> (bool, String) {
    let conversion = converted(&all(manifests), &[]);
    (conversion.succeeded, only(&conversion))
}

const NONE: &str = "no manifest has the pods of this Service: ";

#[test]
fn pods_that_no_manifest_has_are_found_by_their_labels_and_reported() {
    let conversion = converted(&all(&[service("app"), ingress_to("app")]), &[]);
    assert_eq!(names(&objects(&conversion))[0], "Service/app-headless");
    assert_eq!(
        only(&conversion),
        format!("all.yaml:6: spec.selector: {NONE}{{app: app}}; add the Deployment")
    );
}

#[test]
fn a_misspelt_label_of_a_selector_is_an_error() {
    let misspelt = service("app").replace("app: app", "app: ap");
    let pods = deployment("app", 2);
    let (succeeded, error) = told(&[pods.clone(), misspelt.clone(), ingress_to("app")]);
    let help = "write {app: app}, the labels of the Deployment app";
    assert_eq!(
        (succeeded, &*error),
        (false, &*format!("all.yaml:25: spec.selector: error: {NONE}{{app: ap}}; {help}"))
    );
    let key = service("app").replace("{app: app}", "{ap: app}");
    assert!(told(&[pods.clone(), key, ingress_to("app")]).1.ends_with(help));
    let to_envoy = convert(&all(&[pods.clone(), misspelt, ingress_to("app")])).errors();
    assert!(to_envoy[0].contains(&format!("{help}, or give --endpoints")), "{to_envoy:?}");
    // Names that differ in a number are different names, and so are pods that have a Service.
    let second = service("app").replace("app: app", "app: app-v2");
    let first = deployment("app", 2).replace("app: app", "app: app-v1");
    assert!(told(&[first, second, ingress_to("app")]).0);
    let (one, other) = (service("shop"), service("shops"));
    assert!(told(&[deployment("shop", 1), one, other, ingress_to("shops")]).0);
}

#[test]
fn pods_in_another_namespace_are_named() {
    let elsewhere = deployment("app", 2).replacen("  name: app\n", "  name: app\n  namespace: other\n", 1);
    let (succeeded, warning) = told(&[elsewhere, service("app"), ingress_to("app")]);
    let help = "the Deployment app is in namespace other, and the Service in namespace default: write the same namespace";
    assert!(succeeded && warning.ends_with(&format!("{NONE}{{app: app}}; {help}")), "{warning}");
}

#[test]
fn the_number_of_a_named_port_is_only_known_from_the_pods() {
    let named = service("app").replace("targetPort: 8080", "targetPort: web");
    let (succeeded, error) = told(&[named.clone(), ingress_to("app")]);
    let unknown =
        "so the number of the port web is unknown; add the Deployment, or write a number as targetPort";
    assert!(!succeeded && error.ends_with(&format!("{NONE}{{app: app}}, {unknown}")), "{error}");
    let (succeeded, error) = told(&[deployment("app", 1), named, ingress_to("app")]);
    let help = "write the name of a port of the pods, or a number";
    let wanted = format!("error: the pods have no port web, which targetPort names; {help}");
    assert!(!succeeded && error.ends_with(&wanted), "{error}");
}

#[test]
fn addresses_without_ports_do_not_tell_the_number_of_a_named_port() {
    let named = service("app").replace("targetPort: 8080", "targetPort: web");
    let manifests = all(&[named, ingress_to("app")]);
    for option in [["--endpoints", "app=10.0.0.1"], ["--dns", "app=pods.example"]] {
        let errors = convert_with(&manifests, &option).errors();
        let wanted = "spec.ports[0]: error: no manifest has the pods of this Service, so the number of the port web is \
                      unknown; write a number as targetPort, or addresses with ports in --endpoints or --dns";
        assert!(errors.len() == 1 && errors[0].ends_with(wanted), "{errors:?}");
    }
}

#[test]
fn a_service_without_a_selector_has_no_pods() {
    let alone = service("app").replace("  selector: {app: app}\n", "");
    let (succeeded, error) = told(&[alone, ingress_to("app")]);
    assert!(!succeeded && error.contains("a Service without a selector has no pods in DNS"), "{error}");
}
