//! An Envoy that reads its filter from a separate file (ECDS). A test replaces the file while Envoy serves.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::client::{self, WebSocket};
use harness::config::Bootstrap;
use harness::envoy::Envoy;
use harness::xds;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::workers::Workers;

/// A generous limit for operations that take Envoy almost no time.
pub const SOON: Duration = Duration::from_secs(20);

/// Waits until the condition holds.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition().await {
        assert!(Instant::now() < deadline, "not so after {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The discovery stats of the filter `session_affinity`.
pub const DISCOVERY: &str = "extension_config_discovery.http_filter.session_affinity";

/// An Envoy and the file with its filter.
pub struct Live {
    /// The Envoy.
    pub envoy: Envoy,
    /// A client for each worker.
    pub workers: Workers,
    directory: TempDir,
    filter: Value,
    version: u32,
}

impl Live {
    /// Starts Envoy with this plugin configuration, which must serve the path `/`.
    pub async fn start(bootstrap: Bootstrap, plugin: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = file(&directory).display().to_string();
        let mut config = bootstrap.filter(&versioned(plugin, 0)).build();
        config["node"] = json!({ "id": "test", "cluster": "test" });
        let manager =
            &mut config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
        let discovered = json!({
            "name": "session_affinity",
            "config_discovery": {
                "config_source": { "path_config_source": { "path": path }, "resource_api_version": "V3" },
                "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
            },
        });
        let filter = std::mem::replace(&mut manager["http_filters"][0], discovered)["typed_config"].take();
        write(&directory, &filter);
        let envoy = Envoy::start(&config).await.unwrap();
        let workers = Workers::of(&envoy).await;
        Self { envoy, workers, directory, filter, version: 0 }
    }

    /// Replaces the plugin configuration. Returns when every worker serves it.
    pub async fn update(&mut self, plugin: &Value) {
        self.update_to_version(plugin, self.version + 1).await;
    }

    /// Goes back to the plugin configuration of the start.
    pub async fn roll_back(&mut self, plugin: &Value) {
        self.update_to_version(plugin, 0).await;
    }

    async fn update_to_version(&mut self, plugin: &Value, version: u32) {
        self.version = version;
        let plugin = versioned(plugin, version).to_string();
        self.filter["config"]["configuration"]["value"] = json!(plugin);
        write(&self.directory, &self.filter);
        eventually(&format!("every worker serves {plugin}"), async || self.serves_last_update().await).await;
    }

    /// Writes a configuration that Envoy must refuse. Returns when Envoy has refused it. `configuration` is the JSON
    /// form of the `google.protobuf.Any` that configures the plugin.
    pub async fn expect_refusal(&self, configuration: &Value) {
        let mut filter = self.filter.clone();
        filter["config"]["configuration"] = configuration.clone();
        let rejected = format!("{DISCOVERY}.update_rejected");
        let before = self.envoy.stat(&rejected).await.unwrap();
        write(&self.directory, &filter);
        self.envoy.wait_for_stat(&rejected, |count| count == before + 1, SOON).await.unwrap();
        assert!(self.serves_last_update().await, "it was refused, and yet the one before is gone");
    }

    /// Replaces the file with content that is not a filter.
    pub fn write_file(&self, contents: &str) {
        xds::write(&file(&self.directory), contents).unwrap();
    }

    /// Opens a WebSocket sixteen times, so nearly always on every worker. A WebSocket keeps the configuration that it
    /// began with until it is closed.
    pub async fn open_websockets(&self) -> Vec<WebSocket> {
        let url = format!("{}/ws", self.envoy.url());
        let open = async || client::websocket(&url, &[]).await.unwrap().1;
        let mut websockets = Vec::new();
        for _ in 0..16 {
            websockets.push(open().await);
        }
        websockets
    }

    /// Whether every worker serves the last accepted configuration.
    pub async fn serves_last_update(&self) -> bool {
        let mark = mark(self.version);
        let replies = self.workers.fetch("/", &[]).await;
        replies.iter().all(|reply| reply.status == 200 && reply.headers.contains_key(&mark))
    }
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("filter.json")
}

fn write(directory: &TempDir, filter: &Value) {
    let resource = json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "session_affinity",
        "typed_config": filter,
    });
    xds::write(&file(directory), xds::resources(&[resource])).unwrap();
}

/// The configuration with a debug header that identifies it.
fn versioned(plugin: &Value, version: u32) -> Value {
    let mut plugin = plugin.clone();
    plugin["debugHeader"] = json!(mark(version));
    plugin
}

fn mark(version: u32) -> String {
    format!("x-version-{version}")
}
