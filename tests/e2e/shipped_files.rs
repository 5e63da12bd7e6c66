//! The files in envoy/, started with a pod at each of their endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use harness::envoy::{Envoy, Options};
use harness::pod::Pod;
use harness::shipped::{self, Shipped};
use harness::{workspace_root, xds};
use serde_json::Value;
use tempfile::TempDir;

/// A secret for whichever environment variable a file reads its keys from.
pub const SECRET: &str = "c2Vzc2lvbi1hZmZpbml0eS1lbmQtdG8tZW5kLXRlc3Q=";

/// A bootstrap in envoy/, and what it refers to, on this machine.
pub struct File {
    /// With addresses and paths of this machine.
    pub bootstrap: Value,
    shipped: Shipped,
    pods: BTreeMap<String, Pod>,
    directory: TempDir,
}

impl File {
    /// Loads `envoy/<name>`, with a pod for each host that it names.
    pub fn load(name: &str) -> Self {
        Self::load_from(&envoy_directory().join(name), name)
    }

    /// Loads a variation of `envoy/<name>`.
    pub fn load_from(path: &Path, name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut bootstrap = shipped::read(path).unwrap();
        let mut companions: Vec<(PathBuf, Value)> = companions(name)
            .into_iter()
            .map(|companion| {
                let value = shipped::read(&envoy_directory().join(&companion)).unwrap();
                (companion, value)
            })
            .collect();
        let hosts: BTreeSet<String> =
            companions.iter().map(|(_, value)| value).chain([&bootstrap]).flat_map(endpoint_hosts).collect();
        let pods: BTreeMap<String, Pod> =
            hosts.into_iter().map(|host| (host.clone(), Pod::start(&host).unwrap())).collect();
        let shipped = pods.iter().fold(Shipped::new().directory(directory.path()), |shipped, (host, pod)| {
            shipped.host(host, pod.address())
        });
        shipped.rewrite(&mut bootstrap).unwrap();
        for (companion, value) in &mut companions {
            shipped.rewrite(value).unwrap();
            xds::write(&directory.path().join(companion), value.to_string()).unwrap();
        }
        Self { bootstrap, shipped, pods, directory }
    }

    /// Starts it.
    pub async fn start(&self) -> Envoy {
        self.options().start(&self.bootstrap).await.unwrap()
    }

    /// How it is started: with a secret in each environment variable it reads.
    pub fn options(&self) -> Options {
        let names = everything(&self.bootstrap)
            .into_iter()
            .filter_map(|value| value["host_env_keys"].as_array())
            .flatten()
            .map(|name| name.as_str().unwrap().to_owned());
        names.fold(Envoy::options(), |options, name| options.env(name, SECRET))
    }

    /// All pods.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values()
    }

    /// Ends the pod at this host: from now on it refuses connections.
    pub fn stop_pod(&mut self, host: &str) {
        self.pods.remove(host).unwrap().stop();
    }

    /// The directory that is `/etc/envoy` to the file.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A companion as it is shipped, for this machine.
    pub fn companion(&self, path: &str) -> Value {
        self.shipped.load(path).unwrap()
    }

    /// Replaces a companion.
    pub fn replace(&self, path: &str, value: &Value) {
        xds::write(&self.directory().join(path), value.to_string()).unwrap();
    }
}

/// envoy/ of this repository.
pub fn envoy_directory() -> PathBuf {
    workspace_root().join("envoy")
}

/// The names of all bootstraps in envoy/.
pub fn names() -> Vec<String> {
    yaml_files(&envoy_directory())
}

/// The paths of the files that belong to a bootstrap: those in the directory of its name.
pub fn companions(name: &str) -> Vec<PathBuf> {
    let directory = Path::new(name).with_extension("");
    let files = yaml_files(&envoy_directory().join(&directory));
    files.into_iter().map(|file| directory.join(file)).collect()
}

fn yaml_files(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    names.sort();
    names
}

/// This value and all within it.
pub fn everything(value: &Value) -> Vec<&Value> {
    let within: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    };
    std::iter::once(value).chain(within.into_iter().flat_map(everything)).collect()
}

/// All messages of this type within a file.
pub fn of_type<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    let mut found = everything(value);
    found.retain(|value| value["@type"].as_str().is_some_and(|kind| kind.ends_with(name)));
    found
}

fn endpoint_hosts(value: &Value) -> Vec<String> {
    let addresses =
        everything(value).into_iter().filter_map(|value| value.pointer("/endpoint/address/socket_address"));
    addresses.map(|address| address["address"].as_str().unwrap().to_owned()).collect()
}
