//! The command line.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;

/// Turns the manifests of a GKE Ingress into a complete Envoy configuration with the session-affinity filter.
///
/// Reads Deployments, StatefulSets, Services, BackendConfigs and one Ingress, and writes Envoy's configuration to
/// standard output. What has no equal in Envoy is named on standard error, with file, line and field; mistakes are
/// too, and then nothing is written.
#[derive(Clone, Debug, Parser)]
#[command(name = "gke-to-envoy", version, after_help = EXAMPLES)]
pub struct Options {
    /// Manifests: YAML or JSON, with one or several documents, or a List; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Which Ingress, where the files hold several: each has a balancer of its own in GKE
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    pub ingress: Option<String>,
    /// Where pods are. NAME is a Deployment, a StatefulSet or a Service; an ADDRESS is an IP or a host, with a port
    /// where it is not the target port: `web=10.0.0.1,10.0.0.2:8080,[fd00::1]:80`. The order is that of the replicas.
    /// Without it they are called as a StatefulSet's pods are: `web-0.web-svc`
    #[arg(long, value_name = "NAME=ADDRESS,…")]
    pub endpoints: Vec<Endpoints>,
    /// Ties sessions to the endpoints of one cluster per Service, which Envoy reads from DIR/SERVICE.yaml and follows
    /// as they come and go. Writes those files where they are missing, and with --endpoints. DIR must be where Envoy
    /// finds it too
    #[arg(long, value_name = "DIR")]
    pub eds: Option<PathBuf>,
    /// The variable of Envoy's environment that holds the key of cookies (`openssl rand -base64 32`). With --eds there
    /// is always one, `SESSION_AFFINITY_KEY` unless said otherwise; else cookies are not encrypted without it
    #[arg(long, value_name = "NAME", value_parser = variable)]
    pub key_env: Option<String>,
    /// The filter's module, as Envoy finds it
    #[arg(long, value_name = "PATH", default_value = "/etc/envoy/session_affinity.wasm")]
    pub module: String,
    /// Where Envoy listens for requests
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:10000")]
    pub listen: SocketAddr,
    /// Where Envoy's admin interface listens, which can stop it and show its configuration
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9901")]
    pub admin: SocketAddr,
}

const EXAMPLES: &str = "\
Examples:
  gke-to-envoy deployment.yaml backendconfig.yaml service.yaml ingress.yaml > envoy.yaml
  gke-to-envoy --endpoints neg-demo-app=10.0.0.1,10.0.0.2 *.yaml > envoy.yaml
  kubectl get deployments,services,backendconfigs,ingresses -o yaml | gke-to-envoy - > envoy.yaml";

/// Where the pods of one workload or Service are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The name of a Deployment, a StatefulSet or a Service.
    pub name: String,
    /// At least one address.
    pub addresses: Vec<Address>,
}

/// Where a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Its IP or host name.
    pub host: Host,
    /// The port, where one is given.
    pub port: Option<u16>,
}

/// An IP or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An IP.
    Ip(IpAddr),
    /// A name for DNS.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl FromStr for Endpoints {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, addresses) = text.split_once('=').ok_or("there is no `=`; allowed: NAME=ADDRESS,…")?;
        let addresses: Vec<Address> = addresses.split(',').map(str::parse).collect::<Result<_, _>>()?;
        if let Some(twice) = addresses
            .iter()
            .enumerate()
            .find(|(index, address)| addresses.iter().take(*index).any(|other| other == *address))
        {
            return Err(format!("{} is there twice; allowed: each address once", twice.1.host));
        }
        Ok(Self { name: name.to_owned(), addresses })
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
            return Ok(Self { host: Host::Ip(ip), port: None });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: Host::Ip(address.ip()), port: Some(address.port()) });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong(text))?)),
            None => (text, None),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_name) {
            return Err(wrong(text));
        }
        Ok(Self { host: Host::Name(host.to_owned()), port })
    }
}

fn wrong(address: &str) -> String {
    format!("{address:?} is no address; allowed: an IP or a host, with a port from 1 to 65535 or without")
}

fn variable(text: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if text.is_empty() || !text.bytes().all(legal) {
        return Err("allowed: letters, digits and `_`".to_owned());
    }
    Ok(text.to_owned())
}
