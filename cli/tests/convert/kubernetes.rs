//! `--to kubernetes`: the objects for `kubectl apply`, and their Envoy configuration.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::client::Client;
use harness::envoy::Envoy;
use harness::pod::Pod;
use harness::{config, module_path};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::example::{LIFE, Visitor, copy_of_the_example};
use crate::manifests::{all, annotated, configured, deployment, ingress_to, service};
use crate::support::{Conversion, EXAMPLE, KEY_ENV, SECRET, remarks, run_as_is};
use harness::dns::Dns;

const COOKIE: &str = "{sessionAffinity: {affinityType: GENERATED_COOKIE, affinityCookieTtlSec: 50}}";
/// A generous limit for Envoy's next DNS query. Envoy queries every two seconds.
const SOON: Duration = Duration::from_secs(30);
const MEMBERS: &str = "cluster.neg-demo-svc.membership_healthy";

/// Converts one file, `all.yaml`, to Kubernetes manifests.
pub fn converted(manifests: &str, arguments: &[&str]) -> Conversion {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("all.yaml"), manifests).unwrap();
    run_as_is(directory, &[&["all.yaml"], arguments].concat(), Stdio::null())
}

fn example() -> Conversion {
    run_as_is(copy_of_the_example(), &EXAMPLE, Stdio::null())
}

/// The written objects. Asserts that they match the published schemas, and that `check` finds nothing in them.
pub fn objects(conversion: &Conversion) -> Vec<Value> {
    assert!(conversion.succeeded, "{}", conversion.said);
    conversion.assert_checked();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&conversion.output).unwrap();
    for object in &objects {
        let checked = match (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap()) {
            ("v1", "ConfigMap") => fits::<ConfigMap>(object),
            ("v1", "Service") => fits::<Service>(object),
            ("apps/v1", "Deployment") => fits::<Deployment>(object),
            ("policy/v1", "PodDisruptionBudget") => fits::<PodDisruptionBudget>(object),
            (version, kind) => panic!("{version} {kind} is not expected"),
        };
        assert_eq!(checked, Ok(()), "{object}");
    }
    objects
}

/// Whether a value has this type, without fields that the type does not have.
fn fits<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    let mut unknown = Vec::new();
    let parsed: Result<T, _> = serde_ignored::deserialize(value, |path| unknown.push(path.to_string()));
    parsed.map_err(|error| error.to_string())?;
    if unknown.is_empty() { Ok(()) } else { Err(format!("unknown: {}", unknown.join(", "))) }
}

/// The name of an object in `kubectl`: `Service/neg-demo-svc`.
pub fn names(objects: &[Value]) -> Vec<String> {
    let name = |object: &Value| {
        let part = |value: &Value| value.as_str().unwrap().to_owned();
        format!("{}/{}", part(&object["kind"]), part(&object["metadata"]["name"]))
    };
    objects.iter().map(name).collect()
}

fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<&Value> = objects.iter().filter(|object| object["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

/// The Envoy configuration in the `ConfigMap`, with the built module.
fn bootstrap(objects: &[Value]) -> Value {
    let text = only(objects, "ConfigMap")["data"]["envoy.yaml"].as_str().unwrap();
    let module = module_path().unwrap();
    let text = text.replace("/etc/session-affinity/plugin.wasm", module.to_str().unwrap());
    serde_saphyr::from_str(&text).unwrap()
}

/// The same configuration for this machine, with other listen addresses, another DNS server and another port of the
/// pods.
fn adapted(objects: &[Value], dns: &Dns, port: u16) -> Value {
    let mut bootstrap = bootstrap(objects);
    let any = config::socket_address(SocketAddr::from(([127, 0, 0, 1], 0)));
    bootstrap["admin"]["address"] = any.clone();
    for listener in bootstrap["static_resources"]["listeners"].as_array_mut().unwrap() {
        listener["address"] = any.clone();
    }
    for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().unwrap() {
        if cluster["type"] == "STRICT_DNS" {
            cluster["typed_dns_resolver_config"] = dns.resolver();
            let address = cluster.pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address");
            address.unwrap()["socket_address"]["port_value"] = json!(port);
        }
    }
    bootstrap
}

/// This number of pods, all at the same port, at the addresses 127.0.2.1, 127.0.2.2 and so on.
fn pods(count: u8) -> Vec<Pod> {
    let start = |number: u8, port: u16| {
        Pod::start_at(&format!("neg-demo-app-{number}"), SocketAddr::from(([127, 0, 2, number], port)))
    };
    for _ in 0..100 {
        let first = start(1, 0).unwrap();
        let port = first.address().port();
        let others: Option<Vec<Pod>> = (2..=count).map(|number| start(number, port).ok()).collect();
        if let Some(others) = others {
            return std::iter::once(first).chain(others).collect();
        }
    }
    panic!("no port is free at {count} addresses");
}

fn addresses(pods: &[Pod]) -> Vec<SocketAddr> {
    pods.iter().map(Pod::address).collect()
}

async fn wait_for(envoy: &Envoy, pods: u64) {
    envoy.wait_for_stat(MEMBERS, |healthy| healthy == pods, SOON).await.unwrap();
}

#[test]
fn the_example_becomes_an_envoy_beside_the_existing_objects() {
    let conversion = example();
    let objects = objects(&conversion);
    let wanted = [
        "Service/neg-demo-svc-headless",
        "Service/neg-demo-ing",
        "PodDisruptionBudget/neg-demo-ing",
        "Deployment/neg-demo-ing",
        "ConfigMap/neg-demo-ing",
    ];
    assert_eq!(names(&objects), wanted);
    let spec = json!({
        "clusterIP": "None",
        "selector": { "run": "neg-demo-app" },
        "ports": [{ "name": "http", "port": 9376, "protocol": "TCP" }],
    });
    assert_eq!(objects[0]["spec"], spec);
    assert_eq!(objects[1]["spec"]["type"], "LoadBalancer");
    assert_eq!(objects[3]["spec"]["replicas"], 2);
    assert_eq!(objects.iter().filter(|object| !object["metadata"]["namespace"].is_null()).count(), 0);
    let said = remarks(&conversion.said);
    assert!(
        said.len() == 1 && said[0].contains("push this image, or name another one with --image"),
        "{said:?}"
    );
}

#[test]
fn the_key_is_a_secret_that_no_file_contains_and_the_heading_tells_how_to_create_it() {
    let conversion = example();
    let objects = objects(&conversion);
    let container = &only(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let secret = json!({ "secretKeyRef": { "name": "session-affinity-key", "key": "key" } });
    assert_eq!(container["env"], json!([{ "name": KEY_ENV, "valueFrom": secret }]));
    let command = "kubectl create secret generic session-affinity-key --from-literal=key=\"$(openssl rand -base64 32)\"";
    assert!(conversion.output.contains(command));
    let service = &filter_configuration(&bootstrap(&objects))["services"][0];
    assert_eq!(service["pin"], "ENDPOINT");
    let without = converted(&configured("{}"), &[]);
    assert!(!without.output.contains("secret"), "there is no cookie to encrypt");
}

fn filter_configuration(bootstrap: &Value) -> Value {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    let filters = bootstrap.pointer(manager).unwrap().as_array().unwrap();
    let ours = filters.iter().find(|filter| filter["name"] == "session_affinity").unwrap();
    ours["typed_config"]["config"]["configuration"]["value"].clone()
}

#[tokio::test]
async fn envoy_accepts_the_written_configuration() {
    for (spec, affinity_type) in [
        (COOKIE, "GENERATED_COOKIE"),
        ("{sessionAffinity: {affinityType: CLIENT_IP}}", "CLIENT_IP"),
        ("{}", "NONE"),
    ] {
        let conversion = converted(&configured(spec), &[]);
        let bootstrap = bootstrap(&objects(&conversion));
        assert_eq!(
            filter_configuration(&bootstrap)["services"][0]["sessionAffinity"]["affinityType"],
            affinity_type
        );
        let options = Envoy::options().env(KEY_ENV, SECRET);
        assert_eq!(options.validate(&bootstrap).await, Ok(()), "{}", conversion.output);
    }
}

#[test]
fn every_object_gets_the_namespace_of_the_manifests() {
    let manifests = configured(COOKIE).replace("metadata:\n", "metadata:\n  namespace: shop\n");
    let manifests = manifests.replace("    metadata:\n  namespace: shop\n", "    metadata:\n");
    let conversion = converted(&manifests, &[]);
    for object in objects(&conversion) {
        assert_eq!(object["metadata"]["namespace"], "shop", "{object}");
    }
    assert!(
        conversion.output.contains("kubectl create secret generic session-affinity-key --namespace shop")
    );
    assert!(conversion.output.contains("address: app-headless,"), "Envoy is in that namespace itself");
}

#[test]
fn objects_of_the_application_keep_their_names() {
    let same = configured(COOKIE).replace("name: main\n", "name: app\n");
    let wanted = [
        "Service/app-headless",
        "Service/app-envoy",
        "PodDisruptionBudget/app-envoy",
        "Deployment/app-envoy",
        "ConfigMap/app-envoy",
    ];
    assert_eq!(
        names(&objects(&converted(
            &same.replace(
                "    spec:\n      containers:\n      - name: app",
                "    spec:\n      containers:\n      - name: main"
            ),
            &[]
        ))),
        wanted
    );
    let config = |metadata: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{{metadata}}}\ndata: {{a: b}}\n")
    };
    let beside = |others: &[String]| {
        let all = all(&[&[configured(COOKIE)], others].concat());
        names(&objects(&converted(&all, &[])))[4].clone()
    };
    let plain = config("name: main");
    assert_eq!(beside(std::slice::from_ref(&plain)), "ConfigMap/main-envoy");
    assert_eq!(beside(&[plain, config("name: main-envoy")]), "ConfigMap/main-envoy-2");
    assert_eq!(beside(&[config("name: main, namespace: other")]), "ConfigMap/main");
}

#[test]
fn an_existing_headless_service_with_the_same_pods_is_used() {
    let headless =
        service("app-pods").replace("selector: {app: app-pods}", "clusterIP: None\n  selector: {app: app}");
    let conversion = converted(&all(&[configured(COOKIE), headless]), &[]);
    assert_eq!(names(&objects(&conversion))[0], "Service/main");
    assert!(conversion.output.contains("address: app-pods,"), "{}", conversion.output);
    let taken = service("app-headless");
    let errors = converted(&all(&[configured(COOKIE), taken]), &[]).errors();
    assert!(
        errors.len() == 1
            && errors[0].contains("a Service of this name would be written for the pods of app")
    );
}

#[test]
fn objects_of_an_earlier_run_are_written_again_with_the_same_names() {
    let first = converted(&configured(COOKIE), &[]);
    let both = format!("{}---\n{}", configured(COOKIE), first.output);
    let second = converted(&both, &[]);
    assert_eq!(objects(&second), objects(&first));
}

#[test]
fn an_internal_ingress_gets_an_internal_load_balancer() {
    let internal = annotated(
        &ingress_to("app").replace("spec: ", "spec:\n  "),
        "kubernetes.io/ingress.class: gce-internal",
    );
    let conversion = converted(&all(&[deployment("app", 2), service("app"), internal]), &[]);
    let objects = objects(&conversion);
    assert_eq!(objects[1]["metadata"]["annotations"]["networking.gke.io/load-balancer-type"], "Internal");
}

#[test]
fn the_module_comes_from_an_image_volume_or_an_init_container() {
    let pod = |arguments: &[&str]| {
        let conversion = converted(&configured(COOKIE), arguments);
        only(&objects(&conversion), "Deployment")["spec"]["template"]["spec"].clone()
    };
    let volume = pod(&["--image", "registry.test/module:1"]);
    assert_eq!(volume["volumes"][1]["image"]["reference"], "registry.test/module:1");
    assert_eq!(volume["initContainers"], Value::Null);
    let container = pod(&["--installer", "registry.test/installer:1"]);
    assert_eq!(container["initContainers"][0]["image"], "registry.test/installer:1");
    assert_eq!(container["volumes"][1]["image"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_sticks_for_50_seconds_and_then_does_not_while_pods_come_and_go() {
    let mut pods = pods(4);
    let newcomer = pods.pop().unwrap();
    let dns = Dns::start(&addresses(&pods));
    let options = Envoy::options().env(KEY_ENV, SECRET);
    let bootstrap = adapted(&objects(&example()), &dns, pods[0].address().port());
    let envoy = options.start(&bootstrap).await.unwrap();
    wait_for(&envoy, 3).await;
    let mut visitors = Vec::new();
    for _ in 0..40 {
        visitors.push(Visitor::begin(&envoy.url()).await);
    }
    let on = |pod: &str| visitors.iter().filter(|visitor| visitor.pod() == pod).count();
    assert!((1..=3).all(|number| on(&format!("neg-demo-app-{number}")) > 0));

    // kubectl scale --replicas 4: no session moves, and new sessions reach the new pod.
    pods.push(newcomer);
    dns.set(&addresses(&pods));
    wait_for(&envoy, 4).await;
    let mut reached = BTreeSet::new();
    let deadline = Instant::now() + SOON;
    while !reached.contains("neg-demo-app-4") {
        assert!(Instant::now() < deadline, "{reached:?}");
        reached.insert(Client::http1_fresh().fetch(&envoy.url(), &[]).await.unwrap().pod);
    }
    for visitor in &visitors {
        assert_eq!(visitor.visit().await.pod, visitor.pod());
    }

    // A pod is removed. Only its sessions move, at once.
    let gone = pods.remove(0);
    let name = gone.name().to_owned();
    gone.stop();
    dns.set(&addresses(&pods));
    let (moved, stayed): (Vec<_>, Vec<_>) = visitors.into_iter().partition(|visitor| visitor.pod() == name);
    for visitor in &moved {
        let reply = visitor.visit().await;
        assert_eq!(reply.status, 200);
        assert_ne!(reply.pod, name);
    }

    // The other sessions stay until 50 seconds are over.
    let mut visits = tokio::task::JoinSet::new();
    for visitor in stayed {
        visits.spawn(visitor.visit_until_the_end());
    }
    let ends = visits.join_all().await;
    let changed = ends.iter().filter(|(first, second)| first != second).count();
    assert!(
        changed > 0 && changed < ends.len(),
        "{changed} of {} have another pod after {LIFE:?}",
        ends.len()
    );
}

#[tokio::test]
async fn probes_and_prometheus_are_answered_on_the_stats_port() {
    let pods = pods(1);
    let dns = Dns::start(&addresses(&pods));
    let mut bootstrap = adapted(&objects(&example()), &dns, pods[0].address().port());
    // The system chose the port of Envoy's admin interface, so a pod replaces the admin interface.
    let admin = Pod::start("admin").unwrap();
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().unwrap();
    let cluster = clusters.iter_mut().find(|cluster| cluster["name"] == "admin").unwrap();
    let address =
        cluster.pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address").unwrap();
    assert_eq!(address["socket_address"]["port_value"], 9901);
    *address = config::socket_address(admin.address());
    let envoy = Envoy::options().env(KEY_ENV, SECRET).start(&bootstrap).await.unwrap();
    let client = Client::http1_fresh();
    let stats = format!("http://{}", envoy.address("ready").unwrap());
    let fetch = async |path: &str| client.fetch(&format!("{stats}{path}"), &[]).await.unwrap();
    assert_eq!(fetch("/stats/prometheus").await.pod, "admin");
    assert_eq!(fetch("/ready").await.status, 200);
    assert_eq!(fetch("/quitquitquit").await.status, 404);
    // Does the same as preStop.
    envoy.admin_post("/healthcheck/fail").await.unwrap();
    assert_eq!(fetch("/ready").await.status, 503);
}
