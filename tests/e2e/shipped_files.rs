//! The files in envoy/, started with a pod at each of their endpoints.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use harness::envoy::{Envoy, Options};
use harness::pod::Pod;
use harness::shipped::{self, Shipped};
use harness::{workspace_root, xds};
use serde_json::Value;
use tempfile::TempDir;

use crate::ecds::SOON;

/// A secret for each environment variable from which a file reads its keys.
pub const SECRET: &str = "c2Vzc2lvbi1hZmZpbml0eS1lbmQtdG8tZW5kLXRlc3Q=";

/// A bootstrap in envoy/ and the files to which it refers, on this machine.
pub struct File {
    /// With addresses and paths of this machine.
    pub bootstrap: Value,
    shipped: Shipped,
    clusters: Vec<String>,
    pods: BTreeMap<String, Pod>,
    directory: TempDir,
}

impl File {
    /// Loads `envoy/<name>`, with a pod for each host in the file.
    pub fn load(name: &str) -> Self {
        Self::load_from(&envoy_directory().join(name), name)
    }

    /// Loads a variation of `envoy/<name>`.
    pub fn load_from(path: &Path, name: &str) -> Self {
        let mut pods = BTreeMap::new();
        let mut file = Self::load_somewhere(path, name, |host| {
            let pod = pods.entry(host.to_owned()).or_insert_with(|| Pod::start(host).unwrap());
            pod.address()
        });
        file.pods = pods;
        file
    }

    /// Loads `envoy/<name>`, with pods that respond as the requests say.
    pub fn load_obedient(name: &str) -> Self {
        let mut pods = BTreeMap::new();
        let mut file = Self::load_with(name, |host| {
            let pod = pods.entry(host.to_owned()).or_insert_with(|| Pod::obedient(host).unwrap());
            pod.address()
        });
        file.pods = pods;
        file
    }

    /// Loads `envoy/<name>`, with these addresses in place of the hosts in the file.
    pub fn load_with(name: &str, address: impl FnMut(&str) -> SocketAddr) -> Self {
        Self::load_somewhere(&envoy_directory().join(name), name, address)
    }

    fn load_somewhere(path: &Path, name: &str, mut address: impl FnMut(&str) -> SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut documents = vec![(PathBuf::from(name), shipped::read(path).unwrap())];
        for companion in companions(name) {
            let value = shipped::read(&envoy_directory().join(&companion)).unwrap();
            documents.push((companion, value));
        }
        let mut shipped = Shipped::new().directory(directory.path());
        for host in documents.iter().flat_map(|(_, document)| endpoint_hosts(document)) {
            shipped = shipped.host(&host, address(&host));
        }
        let clusters = documents.iter().flat_map(|(_, document)| clusters(document));
        let clusters = clusters.map(|cluster| cluster["name"].as_str().unwrap().to_owned()).collect();
        for (path, document) in &mut documents {
            shipped.rewrite(document).unwrap();
            xds::write(&directory.path().join(path), document.to_string()).unwrap();
        }
        let (_, bootstrap) = documents.swap_remove(0);
        Self { bootstrap, shipped, clusters, pods: BTreeMap::new(), directory }
    }

    /// Starts the file.
    pub async fn start(&self) -> Envoy {
        self.start_as(&self.bootstrap).await
    }

    /// Starts a variation of the file.
    pub async fn start_as(&self, bootstrap: &Value) -> Envoy {
        self.start_with(&self.options(), bootstrap).await
    }

    /// Starts a variation of the file with these options, and waits until every endpoint is healthy. (On a busy machine
    /// the first health checks may be late.)
    pub async fn start_with(&self, options: &Options, bootstrap: &Value) -> Envoy {
        let mut bootstrap = bootstrap.clone();
        let clusters = bootstrap.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
        for cluster in clusters.into_iter().flatten().filter(|cluster| !cluster["health_checks"].is_null()) {
            // Otherwise Envoy's workers may learn of it a second later.
            cluster["common_lb_config"]["update_merge_window"] = "0s".into();
        }
        let envoy = options.start(&bootstrap).await.unwrap();
        for cluster in &self.clusters {
            let total = envoy.stat(&format!("cluster.{cluster}.membership_total")).await.unwrap();
            let healthy = format!("cluster.{cluster}.membership_healthy");
            envoy.wait_for_stat(&healthy, |healthy| healthy == total, SOON).await.unwrap();
        }
        envoy
    }

    /// The options to start the file: a secret in each environment variable that the file reads.
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

    /// The names of all clusters, including those of companion files.
    pub fn clusters(&self) -> &[String] {
        &self.clusters
    }

    /// Ends the pod at this host: it refuses connections from now on.
    pub fn stop_pod(&mut self, host: &str) {
        self.pods.remove(host).unwrap().stop();
    }

    /// The directory that replaces `/etc/envoy` for the file.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A companion file as it is shipped, adapted to this machine.
    pub fn companion(&self, path: &str) -> Value {
        self.shipped.load(path).unwrap()
    }

    /// Replaces a companion file.
    pub fn replace(&self, path: &str, value: &Value) {
        xds::write(&self.directory().join(path), value.to_string()).unwrap();
    }
}

/// The directory envoy/ of this repository.
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
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let mut names: Vec<String> =
        files.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// This value and all values within it.
pub fn everything(value: &Value) -> Vec<&Value> {
    let within: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    };
    std::iter::once(value).chain(within.into_iter().flat_map(everything)).collect()
}

/// All messages of this type in a file.
pub fn of_type<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    let mut found = everything(value);
    found.retain(|value| value["@type"].as_str().is_some_and(|kind| kind.ends_with(name)));
    found
}

/// All clusters of a bootstrap or of a discovery response.
pub fn clusters(document: &Value) -> Vec<&Value> {
    let written = document.pointer("/static_resources/clusters").and_then(Value::as_array);
    written.into_iter().flatten().chain(of_type(document, ".Cluster")).collect()
}

/// The filter's own configuration in a bootstrap.
pub fn plugin(bootstrap: &mut Value) -> &mut Value {
    let filters = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    let filters = bootstrap.pointer_mut(filters).and_then(Value::as_array_mut).unwrap();
    let ours = filters.iter_mut().find(|filter| filter["name"] == "session_affinity").unwrap();
    ours.pointer_mut("/typed_config/config/configuration/value").unwrap()
}

fn endpoint_hosts(value: &Value) -> Vec<String> {
    let addresses =
        everything(value).into_iter().filter_map(|value| value.pointer("/endpoint/address/socket_address"));
    addresses.map(|address| address["address"].as_str().unwrap().to_owned()).collect()
}
