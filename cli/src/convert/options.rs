//! The command line of `convert`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand, ValueEnum};

/// Converts the configuration of another load balancer into one with the session-affinity filter.
#[derive(Clone, Debug, Subcommand)]
pub enum ConvertCommand {
    #[allow(missing_docs, reason = "the help is that of its options")]
    Gke(Box<Options>),
}

/// Converts the manifests of a GKE Ingress or Gateway into a load balancer: Envoy with the session-affinity filter.
///
/// Reads Deployments, StatefulSets and Services; an Ingress and BackendConfigs, or a Gateway, and its `HTTPRoute`,
/// `GCPBackendPolicy` and `HealthCheckPolicy`. Objects of other kinds are skipped, so you can give a whole folder, or
/// the output of `kubectl get all,ingress,backendconfig -o yaml`. Writes the result to standard output. Reports on
/// standard error what is not carried over, with file, line and field. If there are errors, reports them last and
/// writes nothing.
#[derive(Clone, Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Manifests: YAML or JSON, with one or several documents, or a List; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The form of the output
    #[arg(long, value_enum, default_value_t = To::Kubernetes, value_name = "WHAT")]
    pub to: To,
    /// The Ingress to convert, if the files have several
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    pub ingress: Option<String>,
    /// The Gateway to convert, if the files have several, or an Ingress too
    #[arg(long, value_name = "[NAMESPACE/]NAME", conflicts_with = "ingress")]
    pub gateway: Option<String>,
    /// The variable of Envoy's environment that holds the key of cookies (`openssl rand -base64 32`). Sessions that are
    /// tied to endpoints always need a key, by default in `SESSION_AFFINITY_KEY`. Without this option, other
    /// cookies are not encrypted
    #[arg(long, value_name = "NAME", value_parser = variable)]
    pub key_env: Option<String>,
    #[allow(missing_docs, reason = "documentation would be its help")]
    #[command(flatten)]
    pub kubernetes: Kubernetes,
    #[allow(missing_docs, reason = "documentation would be its help")]
    #[command(flatten)]
    pub envoy: Envoy,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// Manifests for `kubectl apply -f -`: Envoy and the objects that it needs, beside the existing Services and
    /// Deployments
    Kubernetes,
    /// A complete Envoy configuration
    Envoy,
}

/// Options of `--to kubernetes`.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "With --to kubernetes")]
pub struct Kubernetes {
    /// The image with the filter's module, mounted as an image volume, which needs Kubernetes 1.35 or a feature gate
    /// [default: registry.example.com/session-affinity:VERSION]
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// For older Kubernetes, in place of --image: an image with /plugin.wasm, which an init container copies
    #[arg(long, value_name = "IMAGE", conflicts_with = "image")]
    pub installer: Option<String>,
}

/// Options of `--to envoy`.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "With --to envoy")]
pub struct Envoy {
    /// The addresses of pods, one cluster each. NAME is a Deployment, a StatefulSet or a Service. An ADDRESS is an IP
    /// address or a host name, with a port if it is not the target port: `web=10.0.0.1,10.0.0.2:8080,[fd00::1]:80`.
    /// Give the addresses in the order of the replicas. The pods of a StatefulSet need no addresses, because they have
    /// DNS names: `web-0.web-svc`
    #[arg(long, value_name = "[NAMESPACE/]NAME=ADDRESS,…")]
    pub endpoints: Vec<Endpoints>,
    /// A DNS name that resolves to the addresses of all pods of a Service, such as the name of a headless Service.
    /// Sessions are tied to these addresses, and pods may come and go. A headless Service needs no such name
    #[arg(long, value_name = "[NAMESPACE/]SERVICE=HOST[:PORT]")]
    pub dns: Vec<Endpoints>,
    /// Ties sessions to the endpoints of one cluster per Service. Envoy reads the endpoints from DIR/SERVICE.yaml and
    /// watches this file. Writes missing files, and files with addresses from --endpoints. Envoy must find DIR at the
    /// same path
    #[arg(long, value_name = "DIR", conflicts_with = "dns")]
    pub eds: Option<PathBuf>,
    /// The path of the filter's module for Envoy [default: `/etc/envoy/session_affinity.wasm`]
    #[arg(long, value_name = "PATH")]
    pub module: Option<String>,
    /// The address where Envoy listens for requests [default: 0.0.0.0:10000]
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<SocketAddr>,
    /// The address of Envoy's admin interface, which can stop Envoy and show its configuration [default:
    /// 127.0.0.1:9901]
    #[arg(long, value_name = "IP:PORT")]
    pub admin: Option<SocketAddr>,
}

const EXAMPLES: &str = "\
Examples:
  session-affinity convert gke manifests/*.yaml | kubectl apply -f -
  kubectl get all,ingress,backendconfig -o yaml | session-affinity convert gke - > ingress.yaml
  kubectl get all,gateway,httproute,gcpbackendpolicy,healthcheckpolicy -o yaml | session-affinity convert gke - > gateway.yaml
  session-affinity convert gke --to envoy --endpoints neg-demo-app=10.0.0.1,10.0.0.2 manifests/*.yaml > envoy.yaml
  session-affinity convert gke --to envoy --dns neg-demo-svc=pods.example.com manifests/*.yaml > envoy.yaml

Exit codes:
  0  the output is written; there may be warnings
  1  an error was found, and nothing is written
  2  wrong usage, or a file that cannot be read or written";

/// The addresses of the pods of one workload or Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The name of a Deployment, a StatefulSet or a Service.
    pub name: String,
    /// At least one address.
    pub addresses: Vec<Address>,
}

/// The address of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The IP address or host name.
    pub host: Host,
    /// The port, if one is given.
    pub port: Option<u16>,
}

/// An IP address or a host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An IP address.
    Ip(IpAddr),
    /// A host name.
    Name(String),
}

impl Options {
    /// The first given option that is not allowed with this `--to`.
    #[must_use]
    pub fn misplaced(&self) -> Option<&'static str> {
        let Kubernetes { image, installer } = &self.kubernetes;
        let Envoy { endpoints, dns, eds, module, listen, admin } = &self.envoy;
        let kubernetes = [("--image", image.is_some()), ("--installer", installer.is_some())];
        let envoy = [
            ("--endpoints", !endpoints.is_empty()),
            ("--dns", !dns.is_empty()),
            ("--eds", eds.is_some()),
            ("--module", module.is_some()),
            ("--listen", listen.is_some()),
            ("--admin", admin.is_some()),
        ];
        let others = if self.to == To::Envoy { &kubernetes[..] } else { &envoy[..] };
        others.iter().find(|(_, is_given)| *is_given).map(|(name, _)| *name)
    }
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
        let is_earlier =
            |(index, address): &(usize, &Address)| addresses.iter().take(*index).any(|one| one == *address);
        match addresses.iter().enumerate().find(is_earlier) {
            Some((_, twice)) => Err(format!("{} is given twice; allowed: each address once", twice.host)),
            None => Ok(Self { name: name.to_owned(), addresses }),
        }
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
    format!(
        "{address:?} is not an address; allowed: an IP address or a host name, with or without a port from 1 to 65535"
    )
}

fn variable(text: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if text.is_empty() || !text.bytes().all(legal) {
        return Err("allowed: letters, digits and `_`".to_owned());
    }
    Ok(text.to_owned())
}
