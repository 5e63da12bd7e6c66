//! A rendering of the chart, and the Envoy configuration in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use harness::envoy::{Envoy, Options};
use harness::helm::Chart;
use harness::module_path;
use serde_json::Value;

use crate::manifests::{list, name, parse};
use crate::sessions::SECRET;

/// An Envoy with every key in the renderings.
pub fn options() -> Options {
    ["k1", "k2", "1"]
        .iter()
        .fold(Envoy::options(), |options, id| options.env(format!("SESSION_AFFINITY_KEY_{id}"), SECRET))
}

/// The rendering of the chart with some values.
pub struct Rendering {
    /// The special property of the values.
    pub name: &'static str,
    pub values: Value,
    templates: BTreeMap<String, String>,
}

impl Rendering {
    /// Renders the release `shop-ing` in the namespace `default`.
    pub fn new(name: &'static str, values: Value) -> Self {
        let templates = Chart::shipped().render(&values, "shop-ing", "default");
        let templates = templates.unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, values, templates }
    }

    /// All objects.
    pub fn objects(&self) -> Vec<Value> {
        let manifests = self.templates.iter().filter(|(file, _)| *file != "NOTES.txt");
        manifests.flat_map(|(file, text)| parse(file, text)).collect()
    }

    /// The object of this name, such as `Service/shop-ing`, or null if there is none.
    pub fn object(&self, wanted: &str) -> Value {
        self.objects().into_iter().find(|object| name(object) == wanted).unwrap_or_default()
    }

    /// The notes for the user after the installation.
    pub fn notes(&self) -> &str {
        &self.templates["NOTES.txt"]
    }

    /// The value at a JSON pointer in a place: in an object (`Service/shop-ing`), in Envoy's configuration (`envoy`),
    /// in its connection manager with the filter (`manager`), in the filter's configuration (`filter`), in a route or a
    /// cluster (`route:shop`, `cluster:shop`). Null if there is no such value.
    pub fn at(&self, place: &str, pointer: &str) -> Value {
        let value = match place.split_once(':') {
            None if place == "envoy" => self.envoy(),
            None if place == "manager" => self.manager(),
            None if place == "filter" => self.filter(),
            None => self.object(place),
            Some(("route", route)) => self.route(route),
            Some(("cluster", cluster)) => {
                named(&self.envoy()["static_resources"]["clusters"], cluster).unwrap_or_default()
            }
            Some(_) => panic!("no such place: {place}"),
        };
        value.pointer(pointer).cloned().unwrap_or_default()
    }

    /// Envoy's configuration.
    pub fn envoy(&self) -> Value {
        let text = self.object("ConfigMap/shop-ing")["data"]["envoy.yaml"].clone();
        serde_saphyr::from_str(text.as_str().unwrap()).unwrap()
    }

    /// The connection manager with the filter. With HTTPS, it is the one for HTTPS.
    fn manager(&self) -> Value {
        let listeners = &self.envoy()["static_resources"]["listeners"];
        let listener = named(listeners, "ingress-https").or_else(|| named(listeners, "ingress")).unwrap();
        listener["filter_chains"][0]["filters"][0]["typed_config"].clone()
    }

    fn filter(&self) -> Value {
        let filter = named(&self.manager()["http_filters"], "session_affinity").unwrap();
        filter["typed_config"]["config"]["configuration"]["value"].clone()
    }

    fn route(&self, route: &str) -> Value {
        let manager = self.manager();
        let hosts = list(&manager["route_config"]["virtual_hosts"]);
        let routes: Vec<Value> = hosts.filter_map(|host| named(&host["routes"], route)).collect();
        routes.into_iter().next().unwrap_or_default()
    }

    /// Writes Envoy's configuration for this machine into a directory: the bootstrap, then the files to which it
    /// refers. The module is the built one. The directory replaces `/etc/envoy`, and its subdirectory `tls` replaces
    /// `/etc/envoy-tls`.
    pub fn envoy_files(&self, directory: &Path) -> Vec<PathBuf> {
        fs::create_dir_all(directory).unwrap();
        let data = &self.object("ConfigMap/shop-ing")["data"];
        let mut files = Vec::new();
        for (file, text) in data.as_object().unwrap() {
            let text = text.as_str().unwrap();
            let text = text
                .replace("/etc/session-affinity/plugin.wasm", module_path().unwrap().to_str().unwrap())
                .replace("/etc/envoy-tls/", &format!("{}/tls/", directory.display()))
                .replace("/etc/envoy/", &format!("{}/", directory.display()));
            let path = directory.join(file);
            fs::write(&path, text).unwrap();
            files.push(path);
        }
        files
    }
}

fn named(list: &Value, name: &str) -> Option<Value> {
    crate::manifests::list(list).find(|item| item["name"] == name).cloned()
}
