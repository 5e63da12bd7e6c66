//! The Envoys of the demo: with the shipped `envoy/envoy.yaml`, and with one setting changed.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use harness::envoy::Envoy;
use harness::pod::Pod;
use harness::shipped::Shipped;
use serde_json::{Value, json};

/// Starts Envoys in front of the demo's pods.
pub struct Demonstration {
    shipped: Shipped,
    binary: PathBuf,
}

impl Demonstration {
    /// The names of the pods are the host names in the shipped configuration.
    pub fn new(pods: &[Pod], module: PathBuf, binary: PathBuf) -> Self {
        let shipped = Shipped::new().module(module);
        let shipped = pods.iter().fold(shipped, |shipped, pod| shipped.host(pod.name(), pod.address()));
        Self { shipped, binary }
    }

    /// Starts Envoy with the shipped configuration, on this port.
    pub async fn as_shipped(&self, port: u16) -> Result<Envoy> {
        self.start(&self.shipped.clone().listener_port(port).load("envoy.yaml")?).await
    }

    /// Starts Envoy with another `sessionAffinity`, on a port that the system chooses.
    pub async fn with_affinity(&self, session_affinity: Value) -> Result<Envoy> {
        let mut config = self.shipped.load("envoy.yaml")?;
        let plugin = object_with(&mut config, "sessionAffinity");
        plugin.context("envoy.yaml configures sessionAffinity")?["sessionAffinity"] = session_affinity;
        // One machine acts as many clients, so Envoy trusts its `X-Forwarded-For`.
        let manager = object_with(&mut config, "http_filters");
        manager.context("envoy.yaml has http_filters")?["xff_num_trusted_hops"] = json!(1);
        self.start(&config).await
    }

    async fn start(&self, config: &Value) -> Result<Envoy> {
        Envoy::options().binary(&self.binary).start(config).await
    }
}

/// The first object inside the value, at any depth, that has this field.
fn object_with<'value>(value: &'value mut Value, field: &str) -> Option<&'value mut Value> {
    if value.get(field).is_some() {
        return Some(value);
    }
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| object_with(item, field)),
        Value::Object(fields) => fields.values_mut().find_map(|item| object_with(item, field)),
        _ => None,
    }
}
