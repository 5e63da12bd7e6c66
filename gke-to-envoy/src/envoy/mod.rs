//! A balancer as an Envoy configuration, in the style of `envoy/ingress.yaml`.

mod clusters;
mod endpoints;
mod filter;
mod heading;
mod listener;
mod routes;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::balancer::{BackendService, Balancer};
use crate::document::{self, Map, Yaml};
use crate::manifest::AffinityType;
use crate::options::Options;
use crate::report::{Place, Report};

/// The header that the filter names a cluster in.
const CLUSTER_HEADER: &str = "x-affinity-cluster";
/// The header that the filter and `stateful_session` tell each other endpoints in.
const ENDPOINT_HEADER: &str = "x-affinity-endpoint";
/// The variable of the key where one is needed and none was named.
const KEY_ENV: &str = "SESSION_AFFINITY_KEY";

/// What is written.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// Envoy's configuration.
    pub bootstrap: String,
    /// Files that it refers to.
    pub files: Vec<EndpointFile>,
}

/// A file of endpoints.
#[derive(Clone, Debug)]
pub struct EndpointFile {
    /// Where it is to be.
    pub path: PathBuf,
    /// What it holds at first.
    pub contents: String,
    /// Whether it takes the place of one that is there: where its endpoints were given.
    pub replaces: bool,
}

/// What the parts of a configuration have in common.
struct Plan<'a> {
    balancer: &'a Balancer,
    options: &'a Options,
}

/// Writes a balancer as an Envoy configuration.
pub fn write(balancer: &Balancer, options: &Options, report: &mut Report) -> Configuration {
    let plan = Plan { balancer, options };
    let admin = Map::new()
        .comment("Beware: this port can stop Envoy and show its configuration.")
        .with("address", socket_address(options.admin));
    let clusters = clusters::all(&plan, report);
    let resources = Map::new().with("listeners", vec![listener::listener(&plan)]).with("clusters", clusters);
    let mut bootstrap = Map::new();
    if options.eds.is_some() {
        let node = Map::new().with("id", "session-affinity").with("cluster", "session-affinity");
        bootstrap = bootstrap
            .comment("Envoy wants a name of its own as soon as it fetches configuration.")
            .with("node", node.inline());
    }
    let bootstrap = bootstrap
        .with("admin", admin)
        .comment("The filter's counters in Prometheus: session_affinity_outcome{service=\"…\", outcome=\"pinned\"}")
        .with("stats_config", Map::new().with("stats_tags", stats_tags()))
        .with("static_resources", resources);
    let body = text(&bootstrap, report);
    // An empty line between the sections, as in the files to copy.
    let body = body.replacen("\nadmin:", "\n\nadmin:", 1).replacen(
        "\nstatic_resources:",
        "\n\nstatic_resources:",
        1,
    );
    let body = body.replacen("\n# The filter's counters", "\n\n# The filter's counters", 1);
    let body = body.replacen("\n  clusters:\n", "\n\n  clusters:\n", 1);
    let heading = document::heading(&heading::lines(&plan));
    Configuration { bootstrap: format!("{heading}\n{body}"), files: endpoints::files(&plan, report) }
}

/// What makes labels of the service, the outcome and the backend in a metric's name.
fn stats_tags() -> Vec<Yaml> {
    let tag = |name: &str, regex: &str| Map::new().with("tag_name", name).with("regex", regex).inline();
    vec![
        tag("service", r"^wasmcustom\.session_affinity\.(service\.([\w-]+)\.)"),
        tag("outcome", r"^wasmcustom\.session_affinity\.service\.[\w-]+\.outcome(\.(\w+))$"),
        tag("backend", r"^wasmcustom\.session_affinity\.service\.[\w-]+\.backend(\.(.+))\.unavailable$"),
    ]
}

impl Plan<'_> {
    /// Whether sessions of this service are tied to an endpoint of its cluster.
    fn pins_endpoints(&self, service: &BackendService) -> bool {
        self.options.eds.is_some() && service.affinity_type == AffinityType::GeneratedCookie
    }

    /// Whether those of any service are.
    fn pins_any_endpoints(&self) -> bool {
        self.balancer.services.iter().any(|service| self.pins_endpoints(service))
    }

    /// The variable that holds the key, where there is one.
    fn key_env(&self) -> Option<&str> {
        let needed = self.pins_any_endpoints().then_some(KEY_ENV);
        self.options.key_env.as_deref().or(needed)
    }
}

fn text(document: &Map, report: &mut Report) -> String {
    match document::text(document) {
        Ok(text) => text,
        Err(error) => {
            report.error(&Place::argument("output"), format!("cannot be written as YAML: {error}"));
            String::new()
        }
    }
}

fn socket_address(address: SocketAddr) -> Yaml {
    let socket = Map::new()
        .with("address", address.ip().to_string())
        .with("port_value", address.port())
        .with_some("ipv4_compat", (address.ip() == std::net::Ipv6Addr::UNSPECIFIED).then_some(true));
    Map::new().with("socket_address", socket.inline()).inline()
}

/// A message with its type.
fn typed(name: &str) -> Map {
    Map::new().with("@type", format!("type.googleapis.com/{name}"))
}

/// The header mutations that drop what anyone but the filter says in the filter's headers.
fn filter_header_removals() -> Vec<Map> {
    [CLUSTER_HEADER, ENDPOINT_HEADER].map(|name| Map::new().with("remove", name)).into()
}

/// `name` and `typed_config`, as every extension has them.
fn extension(name: &str, config: Map) -> Map {
    Map::new().with("name", name).with("typed_config", config)
}

fn seconds(seconds: u32) -> String {
    format!("{seconds}s")
}
