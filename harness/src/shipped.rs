//! The configurations in `envoy/`. Only addresses and paths are changed for this machine.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// The directory of the files of the shipped configurations, as in Envoy's container images.
const SHIPPED_DIRECTORY: &str = "/etc/envoy/";

/// Replacements for the shipped addresses and paths.
///
/// Every listener and the admin interface move to 127.0.0.1, at ports that the system chooses. Every endpoint moves to
/// the given address of its host. The filter uses the built module. Paths under `/etc/envoy/` move to another
/// directory. Nothing else changes.
#[derive(Clone, Debug, Default)]
pub struct Shipped {
    hosts: BTreeMap<String, SocketAddr>,
    listener_port: u16,
    module: Option<PathBuf>,
    directory: Option<PathBuf>,
}

impl Shipped {
    /// Without known hosts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Endpoints with this host name, at any port, are at `address`.
    #[must_use]
    pub fn host(mut self, name: &str, address: SocketAddr) -> Self {
        self.hosts.insert(name.to_owned(), address);
        self
    }

    /// The port of listeners, in place of a port that the system chooses.
    #[must_use]
    pub fn listener_port(mut self, port: u16) -> Self {
        self.listener_port = port;
        self
    }

    /// The module to load. Default: [`crate::module_path`].
    #[must_use]
    pub fn module(mut self, path: impl Into<PathBuf>) -> Self {
        self.module = Some(path.into());
        self
    }

    /// The directory in place of `/etc/envoy/`.
    #[must_use]
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// Loads `envoy/<file>` of this repository: a bootstrap, or a discovery response.
    ///
    /// # Errors
    /// If the file cannot be read, is not YAML, or needs something that was not given: an endpoint's host, the module,
    /// or the directory.
    pub fn load(&self, file: &str) -> Result<Value> {
        let path = crate::workspace_root().join("envoy").join(file);
        let mut value = read(&path)?;
        self.rewrite(&mut value).with_context(|| format!("adapting envoy/{file}"))?;
        Ok(value)
    }

    /// Rewrites one configuration in place.
    ///
    /// # Errors
    /// If it needs something that was not given: an endpoint's host, the module, or the directory.
    pub fn rewrite(&self, value: &mut Value) -> Result<()> {
        match value {
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.rewrite(item)),
            Value::Object(_) => self.rewrite_object(value),
            _ => Ok(()),
        }
    }

    fn rewrite_object(&self, value: &mut Value) -> Result<()> {
        if let Some(address) = value.pointer_mut("/admin/address/socket_address") {
            set_address(address, loopback(0));
        }
        if value.get("filter_chains").is_some()
            && let Some(address) = value.pointer_mut("/address/socket_address")
        {
            set_address(address, loopback(self.listener_port));
        }
        if let Some(address) = value.pointer_mut("/endpoint/address/socket_address") {
            set_address(address, self.endpoint(address)?);
        }
        if let Some(filename) = value.pointer_mut("/code/local/filename") {
            *filename = json!(self.module_path()?.display().to_string());
        }
        for name in ["path", "filename"] {
            if let Some(path) = value.get_mut(name) {
                self.rewrite_path(path)?;
            }
        }
        value.as_object_mut().into_iter().flatten().try_for_each(|(_, field)| self.rewrite(field))
    }

    fn endpoint(&self, address: &Value) -> Result<SocketAddr> {
        let host = address["address"].as_str().context("an endpoint without an address")?;
        match self.hosts.get(host) {
            Some(address) => Ok(*address),
            None => bail!("no address given for the endpoint host {host:?}"),
        }
    }

    fn module_path(&self) -> Result<PathBuf> {
        self.module.clone().map_or_else(crate::module_path, Ok)
    }

    fn rewrite_path(&self, path: &mut Value) -> Result<()> {
        let Some(rest) = path.as_str().and_then(|path| path.strip_prefix(SHIPPED_DIRECTORY)) else {
            return Ok(());
        };
        let directory = self.directory.as_ref().with_context(|| format!("no directory given for {path}"))?;
        *path = json!(directory.join(rest).display().to_string());
        Ok(())
    }
}

/// A YAML file as JSON.
///
/// # Errors
/// If the file cannot be read, or is not a single YAML document that JSON can express.
pub fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{} is not YAML", path.display()))
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn set_address(socket_address: &mut Value, address: SocketAddr) {
    socket_address["address"] = json!(address.ip().to_string());
    socket_address["port_value"] = json!(address.port());
}
