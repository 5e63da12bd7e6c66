//! References in the manifests to each other and to this repository.

use std::fs;

use harness::envoy_binary;
use serde_json::{Value, json};

use crate::manifests::{directory, files, list, load, name, only};

/// The pod template of a file's Deployment.
fn pod(file: &str) -> Value {
    let objects = load(file);
    only(&objects, "Deployment")["spec"]["template"].clone()
}

/// Everything that users apply together.
fn kubernetes(envoy: &str) -> Vec<Value> {
    ["app.yaml", "ingress.yaml", envoy].iter().flat_map(|file| load(&format!("kubernetes/{file}"))).collect()
}

const VARIANTS: [&str; 2] = ["envoy.yaml", "envoy-init-container.yaml"];

#[test]
fn every_service_and_every_budget_selects_pods_that_a_deployment_makes() {
    for variant in VARIANTS {
        let objects = kubernetes(variant);
        let pods: Vec<&Value> = objects
            .iter()
            .filter(|object| object["kind"] == "Deployment")
            .map(|deployment| {
                let labels = &deployment["spec"]["template"]["metadata"]["labels"];
                assert_eq!(deployment["spec"]["selector"]["matchLabels"], *labels, "{}", name(deployment));
                labels
            })
            .collect();
        for object in &objects {
            let selector = match object["kind"].as_str().unwrap() {
                "Service" => &object["spec"]["selector"],
                "PodDisruptionBudget" => &object["spec"]["selector"]["matchLabels"],
                _ => continue,
            };
            assert!(pods.contains(&selector), "{}", name(object));
        }
    }
}

#[test]
fn the_port_of_every_service_is_one_that_its_pods_listen_at() {
    for variant in VARIANTS {
        let objects = kubernetes(variant);
        for service in objects.iter().filter(|object| object["kind"] == "Service") {
            let selects = |object: &&Value| {
                object["kind"] == "Deployment"
                    && object["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
            };
            let deployment = objects.iter().find(selects).unwrap();
            let container = &deployment["spec"]["template"]["spec"]["containers"][0];
            let target = &service["spec"]["ports"][0]["targetPort"];
            let is_it = |port: &Value| port["name"] == *target || port["containerPort"] == *target;
            assert!(list(&container["ports"]).any(is_it), "{}: {target}", name(service));
        }
    }
}

#[test]
fn envoy_finds_its_configuration_and_the_module_where_they_are_mounted() {
    for variant in VARIANTS {
        let objects = kubernetes(variant);
        let map = only(&objects, "ConfigMap");
        let pod = pod(&format!("kubernetes/{variant}"));
        let envoy = &pod["spec"]["containers"][0];
        let mounted = |name: &str| {
            let mount = list(&envoy["volumeMounts"]).find(|mount| mount["name"] == name).unwrap();
            assert!(list(&pod["spec"]["volumes"]).any(|volume| volume["name"] == name), "{variant}: {name}");
            mount["mountPath"].as_str().unwrap().to_owned()
        };
        assert!(
            list(&envoy["args"]).any(|argument| *argument == format!("{}/envoy.yaml", mounted("config")))
        );
        let text = map["data"]["envoy.yaml"].as_str().unwrap();
        assert!(text.contains(&format!("filename: {}/plugin.wasm", mounted("module"))), "{variant}");
        let volume = list(&pod["spec"]["volumes"]).find(|volume| volume["name"] == "config").unwrap();
        assert_eq!(volume["configMap"]["name"], map["metadata"]["name"]);
        // The ports for the Service and the kubelet.
        for port in list(&envoy["ports"]) {
            assert!(text.contains(&format!("port_value: {}}}", port["containerPort"])), "{variant}: {port}");
        }
        assert_eq!(envoy["image"], format!("envoyproxy/envoy:v{}", envoy_binary::VERSION), "{variant}");
    }
}

#[test]
fn the_two_ways_to_the_module_differ_in_nothing_else() {
    let [mut volume, mut init] = VARIANTS.map(|variant| pod(&format!("kubernetes/{variant}")));
    let image = list(&volume["spec"]["volumes"]).find(|volume| volume["name"] == "module").unwrap().clone();
    let reference = image["image"]["reference"].as_str().unwrap();
    let copy = init["spec"].as_object_mut().unwrap().remove("initContainers").unwrap();
    assert_eq!(copy[0]["image"], format!("{reference}-installer"));
    assert_eq!(copy[0]["command"], json!(["cp", "/plugin.wasm", "/module/plugin.wasm"]));
    assert_eq!(copy[0]["volumeMounts"], json!([{ "name": "module", "mountPath": "/module" }]));
    for pod in [&mut volume, &mut init] {
        pod["spec"]["volumes"].as_array_mut().unwrap().retain(|volume| volume["name"] != "module");
    }
    assert_eq!(volume, init);
}

#[test]
fn the_application_is_that_of_the_gke_example() {
    let objects = load("kubernetes/app.yaml");
    let deployment = only(&objects, "Deployment");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(name(deployment), "Deployment/neg-demo-app");
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(container["ports"], json!([{ "containerPort": 9376, "protocol": "TCP" }]));
    let service = only(&objects, "Service");
    assert_eq!(name(service), "Service/neg-demo-svc");
    assert_eq!(service["spec"]["ports"][0]["port"], 80);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], 9376);
}

#[test]
fn the_key_comes_from_a_secret_that_no_manifest_holds() {
    for file in files() {
        for object in load(&file) {
            assert_ne!(object["kind"], "Secret", "{file}");
            let text = object.to_string();
            assert!(!text.contains("\"secret\":") && !text.contains("key_values"), "{file}");
        }
    }
    for (file, variable) in [
        ("kubernetes/envoy.yaml", "SESSION_AFFINITY_KEY_k1"),
        ("kubernetes/envoy-init-container.yaml", "SESSION_AFFINITY_KEY_k1"),
        ("istio/gateway.yaml", "SESSION_AFFINITY_KEY"),
    ] {
        let container = &pod(file)["spec"]["containers"][0];
        assert_eq!(container["env"], key(variable), "{file}");
    }
    let objects = load("envoy-gateway/gateway.yaml");
    let envoy = &only(&objects, "EnvoyProxy")["spec"]["provider"]["kubernetes"]["envoyDeployment"];
    assert_eq!(envoy["container"]["env"], key("SESSION_AFFINITY_KEY"));
}

/// The only variable of a container. It comes from the entry `key` of the Secret.
fn key(variable: &str) -> Value {
    let reference = json!({ "secretKeyRef": { "name": "session-affinity-key", "key": "key" } });
    json!([{ "name": variable, "valueFrom": reference }])
}

#[test]
fn all_manifests_name_one_image_of_the_module() {
    let version = env!("CARGO_PKG_VERSION");
    let image = format!("registry.example.com/session-affinity:{version}");
    for file in files() {
        let text = fs::read_to_string(directory().join(&file)).unwrap();
        for (place, _) in text.match_indices("registry.example.com") {
            assert!(text[place..].starts_with(&image), "{file}");
        }
    }
    for file in ["Dockerfile", "installer.Dockerfile"] {
        let text = fs::read_to_string(directory().join(file)).unwrap();
        assert!(text.contains(&image), "{file}");
        // Istio and Envoy Gateway look for this name in the last layer.
        let last = ["ARG MODULE=target/session_affinity.wasm", "COPY ${MODULE} /plugin.wasm"];
        assert!(text.lines().collect::<Vec<_>>().ends_with(&last), "{file}");
    }
}
