//! The image in a real registry, with two Debian packages: `docker-registry` serves the image, and `skopeo` pushes and
//! pulls it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::release::{RELEASE, VERSION, directory, module, run};

/// A registry that keeps its images in memory.
struct Registry {
    process: Child,
    address: SocketAddr,
}

impl Registry {
    fn start() -> Self {
        harness::packages::need("docker-registry", &["docker-registry"]).unwrap();
        harness::packages::need("skopeo", &["skopeo"]).unwrap();
        let config = directory("registry").join("config.yml");
        let text = "version: 0.1\nstorage: { inmemory: {} }\nhttp: { addr: 127.0.0.1:0 }\n";
        fs::write(&config, text).unwrap();
        let mut registry = Command::new("docker-registry");
        registry.arg("serve").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = registry.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        // `msg="listening on 127.0.0.1:35791"`
        let address = lines
            .find_map(|line| line.split_once("listening on ")?.1.split('"').next()?.parse().ok())
            .expect("the registry ended before it listened");
        // The registry must not block on its log output.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    /// The image of this version in the registry.
    fn image(&self) -> String {
        format!("docker://{}/session-affinity:{VERSION}", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Fails only if the registry has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn skopeo(arguments: &[&str]) -> Vec<u8> {
    run(Command::new("skopeo").arg("--insecure-policy").args(arguments))
}

fn push(registry: &Registry) {
    let layout = format!("oci:{}:{VERSION}", RELEASE.join("image").display());
    skopeo(&["copy", "--all", "--dest-tls-verify=false", &layout, &registry.image()]);
}

/// The layers of the image for a node of this architecture.
fn pulled(registry: &Registry, architecture: &str) -> Vec<Vec<u8>> {
    let to = directory(&format!("pulled for {architecture}"));
    let place = format!("dir:{}", to.display());
    run(Command::new("skopeo")
        .args(["--insecure-policy", "--override-os", "linux", "--override-arch", architecture])
        .args(["copy", "--src-tls-verify=false", &registry.image(), &place]));
    let manifest: Value = serde_json::from_slice(&fs::read(to.join("manifest.json")).unwrap()).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().map(|layer| plugin_in(&to, layer)).collect()
}

/// The file `plugin.wasm` in a layer. The layer has no other file.
fn plugin_in(directory: &Path, layer: &Value) -> Vec<u8> {
    // Istio and Envoy Gateway accept this type.
    assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let digest = layer["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let archive = directory.join(digest);
    let list = run(Command::new("tar").args(["--list", "--gzip", "--file"]).arg(&archive));
    assert_eq!(String::from_utf8_lossy(&list), "plugin.wasm\n");
    run(Command::new("tar")
        .args(["--extract", "--gzip", "--to-stdout", "--file"])
        .arg(&archive)
        .arg("plugin.wasm"))
}

#[test]
fn a_registry_gives_the_same_module_back_to_nodes_of_each_architecture() {
    let registry = Registry::start();
    push(&registry);
    for architecture in ["amd64", "arm64"] {
        let layers = pulled(&registry, architecture);
        assert_eq!(layers.len(), 1, "Istio and Envoy Gateway take one layer");
        assert!(layers[0] == module(), "the module for {architecture} is another");
    }
}

#[test]
fn the_image_keeps_its_digest_in_a_registry() {
    let registry = Registry::start();
    push(&registry);
    let index: Value = serde_json::from_slice(&fs::read(RELEASE.join("image/index.json")).unwrap()).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let by_digest = format!("docker://{}/session-affinity@{digest}", registry.address);
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &by_digest]);
    let manifests: Value = serde_json::from_slice(&raw).unwrap();
    assert_eq!(manifests["manifests"].as_array().unwrap().len(), 2);
}
