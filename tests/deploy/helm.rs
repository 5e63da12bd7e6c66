//! deploy/helm: the rendering of the chart's values. Envoy must accept the configuration.

mod rendering;
mod table;
mod tls;
mod traffic;
mod values;

use std::fs;
use std::process::Command;

use harness::helm::Chart;
use harness::tool;
use serde_json::json;

use crate::manifests::{list, name};
use crate::schemas;
use rendering::options;
use table::renderings;

#[test]
fn every_value_gives_what_it_says() {
    let mut wrong = Vec::new();
    for (rendering, rows) in table::expected() {
        for (place, pointer, expected) in rows {
            let found = rendering.at(place, pointer);
            if found != *expected {
                wrong.push(format!("{}: {place} {pointer}: {found}, not {expected}", rendering.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn envoy_accepts_the_configuration_of_every_rendering() {
    let directory = tempfile::tempdir().unwrap();
    for rendering in renderings() {
        let files = rendering.envoy_files(&directory.path().join(rendering.name));
        tls::write_certificates(&directory.path().join(rendering.name), rendering);
        assert_eq!(options().validate_file(&files[0]).await, Ok(()), "{}", rendering.name);
    }
}

#[test]
fn session_affinity_check_finds_nothing_in_the_configuration_of_every_rendering() {
    let directory = tempfile::tempdir().unwrap();
    for rendering in renderings() {
        let files = rendering.envoy_files(&directory.path().join(rendering.name));
        let output = Command::new(tool::path()).arg("check").args(files).output().unwrap();
        let found = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && found.is_empty(), "{}:\n{found}", rendering.name);
    }
}

#[test]
fn every_manifest_of_every_rendering_is_what_the_published_schemas_say() {
    for rendering in renderings() {
        for object in rendering.objects() {
            assert_eq!(schemas::check(&object), Ok(()), "{}: {}", rendering.name, name(&object));
        }
    }
}

#[test]
fn every_object_of_a_rendering_finds_the_others() {
    for rendering in renderings() {
        let deployment = rendering.object("Deployment/shop-ing");
        let pod = &deployment["spec"]["template"];
        let labels = pod["metadata"]["labels"].as_object().unwrap();
        let selects = |selector: &serde_json::Value| {
            selector.as_object().unwrap().iter().all(|(label, value)| labels.get(label) == Some(value))
        };
        let container = &pod["spec"]["containers"][0];
        for object in rendering.objects() {
            let (what, spec) = (format!("{}: {}", rendering.name, name(&object)), &object["spec"]);
            match object["kind"].as_str().unwrap() {
                "Service" => {
                    assert!(selects(&spec["selector"]), "{what}");
                    for port in list(&spec["ports"]) {
                        let target = &port["targetPort"];
                        assert!(list(&container["ports"]).any(|port| port["name"] == *target), "{what}");
                    }
                }
                "Deployment" | "PodDisruptionBudget" => {
                    assert!(selects(&spec["selector"]["matchLabels"]), "{what}");
                }
                "HorizontalPodAutoscaler" => {
                    assert_eq!(spec["scaleTargetRef"]["name"], deployment["metadata"]["name"], "{what}");
                }
                "ServiceMonitor" => {
                    let stats = rendering.object("Service/shop-ing-stats");
                    assert_eq!(spec["endpoints"][0]["port"], stats["spec"]["ports"][0]["name"], "{what}");
                    for (label, value) in spec["selector"]["matchLabels"].as_object().unwrap() {
                        assert_eq!(stats["metadata"]["labels"][label], *value, "{what}");
                    }
                }
                _ => {}
            }
        }
        for mount in list(&container["volumeMounts"]) {
            let volumes = &pod["spec"]["volumes"];
            assert!(list(volumes).any(|volume| volume["name"] == mount["name"]), "{}", rendering.name);
        }
    }
}

#[test]
fn helm_lint_finds_nothing_in_any_rendering() {
    for rendering in renderings() {
        let found = Chart::shipped().lint(&rendering.values).unwrap();
        assert_eq!(found, [""; 0], "{}", rendering.name);
    }
}

#[test]
fn a_packaged_chart_renders_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let package = Chart::shipped().package(directory.path()).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(package.file_name().unwrap(), format!("session-affinity-{version}.tgz").as_str());
    let [packaged, shipped] = [Chart::new(package), Chart::shipped()]
        .map(|chart| chart.render(&json!({}), "shop-ing", "default").unwrap());
    assert_eq!(packaged, shipped);
}

#[test]
fn the_manifests_in_deploy_kubernetes_are_the_chart_rendered_with_its_defaults() {
    for (path, expected) in harness::manifests::rendered().unwrap() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text == expected,
            "{} is not what the chart renders: run `cargo xtask manifests`",
            path.display()
        );
    }
}
