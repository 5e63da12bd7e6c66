//! One Envoy's configuration, put together from its files: connection managers, routes, filters and clusters.

use super::file::At;
use super::plugin::Plugin;

const CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const VIRTUAL_HOST: &str = "envoy.config.route.v3.VirtualHost";
const EXTENSION: &str = "envoy.config.core.v3.TypedExtensionConfig";
/// The type of Wasm filters.
pub const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";

/// How much of a list is in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The whole list.
    All,
    /// The list of files without a bootstrap. The bootstrap may have more elements.
    WithoutBootstrap,
    /// A part of the list. The rest comes from a server or from a file that was not found.
    ButFromServer,
}

/// One Envoy.
pub struct Envoy<'a> {
    /// The HTTP connection managers.
    pub managers: Vec<Manager<'a>>,
    /// The clusters.
    pub clusters: Vec<At<'a>>,
    /// Whether the list has all clusters.
    pub clusters_known: Known,
    /// The filters of this project, each once.
    pub plugins: Vec<Plugin<'a>>,
}

/// An HTTP connection manager.
pub struct Manager<'a> {
    /// The message of the connection manager.
    pub at: At<'a>,
    /// The filters in order.
    pub filters: Vec<Filter<'a>>,
    /// The routes in the files.
    pub routes: Vec<Route<'a>>,
    /// Whether the list has all routes.
    pub routes_known: bool,
}

/// An element of `http_filters`.
#[derive(Clone, Copy)]
pub struct Filter<'a> {
    /// The element.
    pub at: At<'a>,
    /// The name by which routes can switch the filter off.
    pub name: &'a str,
    /// The type and the message, if they are in the files.
    pub typed: Option<(&'a str, At<'a>)>,
}

/// A route.
#[derive(Clone, Copy)]
pub struct Route<'a> {
    /// The route.
    pub at: At<'a>,
    /// The virtual host of the route.
    pub virtual_host: At<'a>,
    /// The route configuration of the route.
    pub configuration: At<'a>,
    /// The name of the route, if it has one.
    pub name: Option<&'a str>,
}

impl<'a> Envoy<'a> {
    /// Reads the documents of one Envoy. `clusters_known` tells whether the files have all clusters.
    pub fn new(documents: &[At<'a>], clusters_known: Known) -> Self {
        let mut managers = Vec::new();
        let mut clusters = Vec::new();
        let mut configurations = Vec::new();
        let mut virtual_hosts_alone = false;
        let mut extensions = Vec::new();
        let mut wasm = Vec::new();
        for document in documents {
            clusters.extend(document.items_at(&["static_resources", "clusters"]));
            document.walk(&mut |at| match at.typed() {
                Some((CONNECTION_MANAGER, manager)) => managers.push(manager),
                Some((CLUSTER, cluster)) => clusters.push(cluster),
                Some((ROUTES, configuration)) => configurations.push(configuration),
                Some((VIRTUAL_HOST, _)) => virtual_hosts_alone = true,
                Some((EXTENSION, extension)) => extensions.push(extension),
                Some((WASM, message)) => wasm.push(message),
                _ => {}
            });
        }
        let managers: Vec<_> =
            managers.into_iter().map(|at| Manager::new(at, &configurations, &extensions)).collect();
        let name_of = |message: At<'a>| {
            let of_filter = managers.iter().flat_map(|manager| &manager.filters);
            let filter = of_filter.filter(|filter| filter.typed.is_some_and(|(_, typed)| typed.is(message)));
            filter.map(|filter| filter.name).next().unwrap_or_default()
        };
        let plugins =
            wasm.into_iter().filter_map(|message| Plugin::of_envoy(message, name_of(message))).collect();
        Self { managers, clusters, clusters_known, plugins }
    }

    /// The cluster of this name.
    pub fn cluster(&self, name: &str) -> Option<At<'a>> {
        self.clusters.iter().copied().find(|cluster| cluster.text_at(&["name"]) == Some(name))
    }

    /// The names of all clusters.
    pub fn cluster_names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.clusters.iter().filter_map(|cluster| cluster.text_at(&["name"]))
    }

    /// A cluster and, if it is an aggregate or composite cluster, its members.
    pub fn with_members(&self, cluster: At<'a>) -> Vec<At<'a>> {
        let members = cluster.items_at(&["cluster_type", "typed_config", "clusters"]);
        let names = members.filter_map(|member| member.text().or_else(|| member.text_at(&["name"])));
        std::iter::once(cluster).chain(names.filter_map(|name| self.cluster(name))).collect()
    }

    /// The connection managers that have a filter, with the filter's place in each.
    pub fn managers_of<'b>(&'b self, plugin: &Plugin<'a>) -> impl Iterator<Item = (&'b Manager<'a>, usize)> {
        let message = plugin.message;
        self.managers.iter().filter_map(move |manager| {
            let is_it = |filter: &Filter<'a>| filter.typed.is_some_and(|(_, typed)| typed.is(message));
            Some((manager, manager.filters.iter().position(is_it)?))
        })
    }
}

impl<'a> Manager<'a> {
    fn new(at: At<'a>, configurations: &[At<'a>], extensions: &[At<'a>]) -> Self {
        let filters = at.items_at(&["http_filters"]).map(|filter| Filter::new(filter, extensions)).collect();
        let named = at.text_at(&["rds", "route_config_name"]).and_then(|name| {
            configurations.iter().copied().find(|found| found.text_at(&["name"]) == Some(name))
        });
        let configuration = at.get("route_config").or(named);
        let is_dynamic = |configuration: At<'a>| {
            let mut hosts = configuration.items_at(&["virtual_hosts"]);
            configuration.get("vhds").is_some() || hosts.any(|host| host.get("matcher").is_some())
        };
        let routes = configuration.map(routes).unwrap_or_default();
        Self { at, filters, routes, routes_known: configuration.is_some_and(|found| !is_dynamic(found)) }
    }
}

fn routes(configuration: At<'_>) -> Vec<Route<'_>> {
    let hosts = configuration.items_at(&["virtual_hosts"]);
    hosts
        .flat_map(|virtual_host| {
            virtual_host.items_at(&["routes"]).map(move |at| {
                let name = at.text_at(&["name"]).filter(|name| !name.is_empty());
                Route { at, virtual_host, configuration, name }
            })
        })
        .collect()
}

impl<'a> Filter<'a> {
    fn new(at: At<'a>, extensions: &[At<'a>]) -> Self {
        let name = at.text_at(&["name"]).unwrap_or_default();
        let found = || {
            extensions
                .iter()
                .find(|found| found.text_at(&["name"]) == Some(name))
                .and_then(|found| found.get("typed_config"))
        };
        let config = at.get("typed_config").or_else(|| at.get("config_discovery").and_then(|_| found()));
        Self { at, name, typed: config.and_then(At::typed) }
    }

    /// Whether requests on a route pass the filter.
    pub fn is_on(&self, route: &Route<'_>) -> bool {
        let overrides = [route.at, route.virtual_host, route.configuration];
        let found = overrides.iter().find_map(|at| at.at(&["typed_per_filter_config", self.name]));
        match found {
            Some(found) => !found.get("disabled").is_some_and(At::is_true),
            None => !self.at.get("disabled").is_some_and(At::is_true),
        }
    }

    /// The kind of the filter, such as `ext_authz`, from the type, or from the name if the type is not known.
    pub fn kind(&self) -> &'a str {
        let Some((name, _)) = self.typed else {
            return self.name.rsplit('.').next().unwrap_or_default();
        };
        let name = name.strip_suffix(&format!(".{}", name.rsplit('.').next().unwrap_or_default()));
        let name = name.unwrap_or_default();
        let is_version = |part: &&str| {
            let digits = part.strip_prefix('v').unwrap_or_default();
            digits.starts_with(|first: char| first.is_ascii_digit())
        };
        name.rsplit('.').find(|part| !is_version(part)).unwrap_or_default()
    }
}

impl Route<'_> {
    /// The route in words.
    pub fn in_words(&self) -> String {
        match self.name {
            Some(name) => format!("the route `{name}`"),
            None => "the route without a name".to_owned(),
        }
    }
}
