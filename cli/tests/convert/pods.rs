//! Pods become backends, one for each replica.

use crate::manifests::{all, configured, ingress, ingress_to, path, rule, service, stateful_set};
use crate::support::{Written, convert, convert_with};

fn pods<const N: usize>(pods: [(&str, &str); N]) -> Vec<(String, String)> {
    pods.map(|(name, address)| (name.to_owned(), address.to_owned())).to_vec()
}

/// A StatefulSet with more fields.
fn stateful(spec: &str) -> String {
    stateful_set("app", 2).replace("spec:\n  replicas", &format!("spec:\n{spec}  replicas"))
}

async fn with_endpoints(endpoints: &[&str]) -> Written {
    let arguments: Vec<&str> = endpoints.iter().flat_map(|endpoints| ["--endpoints", endpoints]).collect();
    convert_with(&configured("{}"), &arguments).written().await
}

#[tokio::test]
async fn without_addresses_pods_have_the_names_of_a_stateful_set() {
    let written = convert(&configured("{}")).written().await;
    assert_eq!(written.pods(), pods([("app-0", "app-0.app:8080"), ("app-1", "app-1.app:8080")]));
    let one =
        all(&[stateful_set("app", 1).replace("  replicas: 1\n", ""), service("app"), ingress_to("app")]);
    assert_eq!(convert(&one).written().await.pods(), pods([("app-0", "app-0.app:8080")]));
}

#[tokio::test]
async fn the_pods_of_a_stateful_set_have_the_names_of_its_governing_service_and_first_ordinal() {
    let spec = "  serviceName: pods\n  ordinals: {start: 5}\n";
    let manifests = all(&[stateful(spec), service("app"), ingress_to("app")]);
    let written = convert(&manifests).written().await;
    assert_eq!(written.pods(), pods([("app-5", "app-5.pods:8080"), ("app-6", "app-6.pods:8080")]));
    assert_eq!(written.notes(), [""; 0], "these names exist");
}

#[tokio::test]
async fn the_namespace_of_the_manifests_is_part_of_the_names() {
    let manifests = configured("{}").replace("  name: app\n", "  name: app\n  namespace: shop\n");
    let manifests = manifests.replace("  name: main\n", "  name: main\n  namespace: shop\n");
    let written = convert(&manifests).written().await;
    assert_eq!(written.pods(), pods([("app-0", "app-0.app.shop:8080"), ("app-1", "app-1.app.shop:8080")]));
}

#[tokio::test]
async fn addresses_replace_names_in_the_order_of_the_replicas() {
    let wanted = [
        ("app-0", "10.0.0.2:8080"),
        ("app-1", "10.0.0.1:81"),
        ("app-2", "fd00::1:8080"),
        ("app-3", "fd00::1:82"),
        ("app-4", "pod.example:8080"),
    ];
    let written = with_endpoints(&["app=10.0.0.2,10.0.0.1:81,fd00::1,[fd00::1]:82,pod.example"]).await;
    assert_eq!(written.pods(), pods(wanted));
    let kinds: Vec<_> = written.clusters().iter().map(|cluster| cluster["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["STATIC", "STATIC", "STATIC", "STATIC", "STRICT_DNS"]);
    let note = "spec.replicas: note: 5 addresses are given, so 5 backends are written";
    assert!(written.notes().len() == 1 && written.notes()[0].ends_with(note), "{}", written.said);
}

#[tokio::test]
async fn a_note_counts_given_addresses_as_backends_or_endpoints() {
    let manifests = all(&[stateful_set("app", 3), service("app"), ingress_to("app")]);
    for (arguments, told) in [
        (&["--endpoints", "app=10.0.0.1"][..], "1 address is given, so 1 backend is written"),
        (&["--endpoints", "app=10.0.0.1", "--eds", "eds"], "1 address is given, so 1 endpoint is written"),
        (
            &["--endpoints", "app=10.0.0.1,10.0.0.2", "--eds", "eds"],
            "2 addresses are given, so 2 endpoints are written",
        ),
    ] {
        let notes = convert_with(&manifests, arguments).written().await.notes();
        assert!(notes.len() == 1 && notes[0].ends_with(told), "{notes:?}");
    }
}

#[tokio::test]
async fn a_service_of_several_workloads_has_the_pods_of_all() {
    let [stable, canary] = ["stable", "canary"]
        .map(|name| stateful_set(name, 1).replace(&format!("labels: {{app: {name}}}"), "labels: {app: app}"));
    let manifests = all(&[stable, canary, service("app"), ingress_to("app")]);
    let written = convert_with(&manifests, &["--endpoints", "canary=10.0.0.9"]).written().await;
    let wanted = [("stable-0", "stable-0.app:8080"), ("canary-0", "10.0.0.9:8080")];
    assert_eq!(written.pods(), pods(wanted));
    let errors = convert_with(&manifests, &["--endpoints", "app=10.0.0.9"]).errors();
    let wanted = "--endpoints:1: error: nothing with the name app has pods; write one of canary, stable";
    assert_eq!(errors, [wanted]);
}

#[tokio::test]
async fn a_service_whose_pods_no_manifest_has_gets_them_from_its_addresses() {
    let manifests = all(&[service("app"), ingress_to("app")]);
    let written = convert_with(&manifests, &["--endpoints", "app=10.0.0.1,10.0.0.2"]).written().await;
    assert_eq!(written.pods(), pods([("app-0", "10.0.0.1:8080"), ("app-1", "10.0.0.2:8080")]));
}

#[tokio::test]
async fn services_of_the_same_pods_share_their_clusters() {
    let second = service("second").replace("selector: {app: second}", "selector: {app: app}");
    let rules = rule("", &[path("/a", "Prefix", "app"), path("/b", "Prefix", "second")]);
    let manifests =
        all(&[stateful_set("app", 2), service("app"), second, ingress(&format!("{{rules: [{rules}]}}"))]);
    let written = convert(&manifests).written().await;
    assert_eq!(written.pods(), pods([("app-0", "app-0.app:8080"), ("app-1", "app-1.app:8080")]));
    let backends: Vec<_> = written.services().iter().map(|service| &service["backends"]).collect();
    assert_eq!(backends, [&serde_json::json!(["app-0", "app-1"]); 2]);
}

#[tokio::test]
async fn another_port_of_the_same_pods_gets_separate_clusters() {
    let ports =
        "  - {name: web, port: 80, targetPort: http}\n  - {name: admin, port: 81, targetPort: 9090}\n";
    let two = service("app").replace("  - port: 80\n    targetPort: 8080\n", ports);
    let admin = path("/admin", "Prefix", "app").replace("number: 80", "name: admin");
    let rules = rule("", &[admin, path("/", "Prefix", "app")]);
    let manifests = all(&[stateful_set("app", 1), two, ingress(&format!("{{rules: [{rules}]}}"))]);
    let written = convert_with(&manifests, &["--endpoints", "app=10.0.0.1"]).written().await;
    assert_eq!(written.pods(), pods([("app-0-9090", "10.0.0.1:9090"), ("app-0", "10.0.0.1:8080")]));
    let names: Vec<_> = written.services().iter().map(|service| service["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["app_81", "app"]);
    let errors = convert_with(&manifests, &["--endpoints", "app=10.0.0.1:8080"]).errors();
    let line = manifests.lines().position(|line| line.contains("name: web,")).unwrap() + 1;
    let wanted = format!(
        "all.yaml:{line}: spec.ports[0]: error: the clusters app-0-9090 and app-0 have the same address, 10.0.0.1:8080; give \
         addresses without ports if a Service has several target ports"
    );
    assert_eq!(errors, [wanted]);
}

#[tokio::test]
async fn names_do_not_depend_on_other_backends_of_an_ingress() {
    let ports =
        "  - {name: web, port: 80, targetPort: http}\n  - {name: admin, port: 81, targetPort: 9090}\n";
    let two = service("app").replace("  - port: 80\n    targetPort: 8080\n", ports);
    let alone = ingress_to("app").replace("number: 80", "number: 81");
    let written = convert(&all(&[stateful_set("app", 1), two, alone])).written().await;
    assert_eq!(written.service()["name"], "app_81");
    assert_eq!(written.pods(), pods([("app-0-9090", "app-0.app:9090")]));
}

#[tokio::test]
async fn the_longest_name_of_a_service_fits() {
    let name = "n".repeat(63);
    let ports =
        "  - {name: web, port: 80, targetPort: http}\n  - {name: admin, port: 65535, targetPort: 9090}\n";
    let two = service(&name).replace("  - port: 80\n    targetPort: 8080\n", ports);
    let leads = ingress_to(&name).replace("number: 80", "number: 65535");
    let written = convert(&all(&[stateful_set(&name, 1), two, leads])).written().await;
    assert_eq!(written.service()["name"], format!("{}_65535", "n".repeat(58)));
}

#[test]
fn addresses_for_unknown_names_and_invalid_addresses_are_refused() {
    let told = |endpoints: &str| convert_with(&configured("{}"), &["--endpoints", endpoints]);
    let wanted = "--endpoints:1: error: nothing with the name other has pods; write app";
    assert_eq!(told("other=10.0.0.1").errors(), [wanted]);
    let dns = convert_with(&configured("{}"), &["--dns", "other=pods.example"]).errors();
    let wanted = "--dns:1: error: no Service has the name other; write app";
    assert!(dns.iter().any(|error| error == wanted), "{dns:#?}");
    for odd in [
        "app",
        "app=",
        "app=10.0.0.1,",
        "app=10.0.0.1:0x",
        "app=10.0.0.1:70000",
        "app=a b",
        "app=10.0.0.1,10.0.0.1",
    ] {
        let conversion = told(odd);
        assert!(!conversion.succeeded && conversion.output.is_empty(), "{odd}");
        assert!(conversion.said.starts_with("error: invalid value"), "{odd}: {}", conversion.said);
        assert!(conversion.said.contains("allowed: "), "{odd}: {}", conversion.said);
    }
}
