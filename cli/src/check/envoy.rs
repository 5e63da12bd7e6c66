//! One Envoy's configuration, put together from its files: connection managers, routes, filters and clusters.

use super::file::At;
use super::plugin::Plugin;

const CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const SCOPE: &str = "envoy.config.route.v3.ScopedRouteConfiguration";
const ROUTE: &str = "envoy.config.route.v3.Route";
const ROUTE_LIST: &str = "envoy.config.route.v3.RouteList";
const MATCHED: &str = "envoy.extensions.common.matching.v3.ExtensionWithMatcher";
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
    Partly,
}

/// One Envoy.
pub struct Envoy<'a> {
    /// The HTTP connection managers.
    pub managers: Vec<Manager<'a>>,
    /// The clusters.
    pub clusters: Vec<At<'a>>,
    /// Whether the list has all clusters.
    pub clusters_known: Known,
    /// The session-affinity filters, each once.
    pub plugins: Vec<Plugin<'a>>,
    /// The other Wasm filters, each once.
    pub other_plugins: Vec<Plugin<'a>>,
    /// The route configurations that are resources of their own.
    pub route_configurations: Vec<At<'a>>,
}

/// An HTTP connection manager.
pub struct Manager<'a> {
    /// The message of the connection manager.
    pub at: At<'a>,
    /// The filters in order.
    pub filters: Vec<Filter<'a>>,
    /// The route configurations in the files.
    pub configurations: Vec<At<'a>>,
    /// The routes in the files.
    pub routes: Vec<Route<'a>>,
    /// Whether the list has all routes.
    pub routes_known: bool,
    /// The messages of all filters, also of filters inside other filters.
    messages: Vec<At<'a>>,
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
        let mut resources = Resources::default();
        let mut wasm = Vec::new();
        let mut overrides = Vec::new();
        for document in documents {
            clusters.extend(document.items_at(&["static_resources", "clusters"]));
            document.walk(&mut |at| {
                let of_route = at.get("typed_per_filter_config").into_iter().flat_map(At::fields);
                overrides
                    .extend(of_route.flat_map(|(_, config)| [Some(config), config.get("config")]).flatten());
                match at.typed() {
                    Some((CONNECTION_MANAGER, manager)) => managers.push(manager),
                    Some((CLUSTER, cluster)) => clusters.push(cluster),
                    Some((ROUTES, configuration)) => resources.route_configurations.push(configuration),
                    Some((SCOPE, scope)) => resources.scopes.push(scope),
                    Some((EXTENSION, extension)) => resources.extensions.push(extension),
                    Some((WASM, message)) => wasm.push(message),
                    _ => {}
                }
            });
        }
        let managers: Vec<_> = managers.into_iter().map(|at| Manager::new(at, &resources)).collect();
        let name_of = |message: At<'a>| {
            let mut of_managers = managers.iter().flat_map(|manager| &manager.filters);
            of_managers.find(|filter| filter.is_it(message)).map(|filter| filter.name).unwrap_or_default()
        };
        // A route cannot have a filter of its own.
        wasm.retain(|message| !overrides.iter().any(|config| config.is(*message)));
        let plugins = wasm.into_iter().map(|message| Plugin::of_envoy(message, name_of(message)));
        let (plugins, other_plugins) = plugins.partition(|plugin| plugin.is_ours);
        let route_configurations = resources.route_configurations;
        Self { managers, clusters, clusters_known, plugins, other_plugins, route_configurations }
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
        let members = Self::members(cluster).filter_map(|(name, _)| self.cluster(name));
        std::iter::once(cluster).chain(members).collect()
    }

    /// The names of the members of an aggregate or composite cluster, and where they are.
    pub fn members(cluster: At<'a>) -> impl Iterator<Item = (&'a str, At<'a>)> {
        let members = cluster.items_at(&["cluster_type", "typed_config", "clusters"]);
        members.filter_map(|member| {
            let at = member.get("name").unwrap_or(member);
            Some((at.text()?, at))
        })
    }

    /// The connection managers that have a filter, with the filter's place in each.
    pub fn managers_of<'b>(&'b self, plugin: &Plugin<'a>) -> impl Iterator<Item = (&'b Manager<'a>, usize)> {
        let message = plugin.message;
        self.managers.iter().filter_map(move |manager| {
            Some((manager, manager.filters.iter().position(|filter| filter.is_it(message))?))
        })
    }

    /// Whether a connection manager has a filter, perhaps inside another filter.
    pub fn uses(&self, plugin: &Plugin<'_>) -> bool {
        self.managers.iter().any(|manager| manager.contains(plugin))
    }

    /// The session-affinity filter that an element of `http_filters` is.
    pub fn plugin_of(&self, filter: &Filter<'_>) -> Option<&Plugin<'a>> {
        self.plugins.iter().find(|plugin| filter.is_it(plugin.message))
    }
}

/// Resources to which connection managers refer by name.
#[derive(Default)]
struct Resources<'a> {
    route_configurations: Vec<At<'a>>,
    scopes: Vec<At<'a>>,
    extensions: Vec<At<'a>>,
}

impl<'a> Resources<'a> {
    fn route_configuration(&self, name: &str) -> Option<At<'a>> {
        self.route_configurations.iter().copied().find(|found| found.text_at(&["name"]) == Some(name))
    }

    /// The route configurations of a connection manager. `None` for one that is not in the files.
    fn route_configurations_of(&self, manager: At<'a>) -> Vec<Option<At<'a>>> {
        if let Some(inline) = manager.get("route_config") {
            return vec![Some(inline)];
        }
        if let Some(name) = manager.text_at(&["rds", "route_config_name"]) {
            return vec![self.route_configuration(name)];
        }
        let list = ["scoped_routes", "scoped_route_configurations_list", "scoped_route_configurations"];
        let mut scopes: Vec<At<'a>> = manager.items_at(&list).collect();
        if manager.at(&["scoped_routes", "scoped_rds"]).is_some() {
            scopes.extend(&self.scopes);
        }
        let configuration = |scope: At<'a>| {
            let name = scope.text_at(&["route_configuration_name"]);
            scope.get("route_configuration").or_else(|| self.route_configuration(name?))
        };
        scopes.into_iter().map(configuration).collect()
    }
}

impl<'a> Manager<'a> {
    fn new(at: At<'a>, resources: &Resources<'a>) -> Self {
        let filters = at.items_at(&["http_filters"]);
        let filters: Vec<_> = filters.map(|filter| Filter::new(filter, &resources.extensions)).collect();
        let typed: Vec<At<'a>> =
            filters.iter().filter_map(|filter| filter.typed).map(|(_, typed)| typed).collect();
        let mut messages = typed.clone();
        for part in typed.into_iter().chain([at]) {
            part.walk(&mut |at| messages.extend(at.typed().map(|(_, message)| message)));
        }
        let found = resources.route_configurations_of(at);
        let configurations: Vec<At<'a>> = found.iter().copied().flatten().collect();
        let is_dynamic = configurations.iter().any(|configuration| configuration.get("vhds").is_some());
        let routes_known = !is_dynamic && !found.is_empty() && found.iter().all(Option::is_some);
        let routes = configurations.iter().copied().flat_map(routes).collect();
        Self { at, filters, configurations, routes, routes_known, messages }
    }

    /// Whether requests on any route pass both filters.
    pub fn has_both_on(&self, one: &Filter<'_>, other: &Filter<'_>) -> bool {
        let are_on = |route: &Route<'a>| one.is_on(route) && other.is_on(route);
        !self.routes_known || self.routes.is_empty() || self.routes.iter().any(are_on)
    }

    /// Whether the connection manager has the filter, perhaps inside another filter.
    pub fn contains(&self, plugin: &Plugin<'_>) -> bool {
        self.messages.iter().any(|message| message.is(plugin.message))
    }
}

/// The routes of a route configuration.
pub fn routes(configuration: At<'_>) -> Vec<Route<'_>> {
    let hosts = configuration.items_at(&["virtual_hosts"]);
    hosts
        .flat_map(|virtual_host| {
            let mut routes: Vec<At<'_>> = virtual_host.items_at(&["routes"]).collect();
            if let Some(matcher) = virtual_host.get("matcher") {
                matcher.walk(&mut |at| match at.typed() {
                    Some((ROUTE, route)) => routes.push(route),
                    Some((ROUTE_LIST, list)) => routes.extend(list.items_at(&["routes"])),
                    _ => {}
                });
            }
            routes.into_iter().map(move |at| {
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
        let discovery = at.get("config_discovery");
        let discovered = discovery.and_then(|discovery| found().or_else(|| discovery.get("default_config")));
        let config = at.get("typed_config").or(discovered);
        let typed = match config.and_then(At::typed) {
            // A filter that a matcher can skip.
            Some((MATCHED, matched)) => matched.at(&["extension_config", "typed_config"]).and_then(At::typed),
            typed => typed,
        };
        Self { at, name, typed }
    }

    /// Whether the message configures the filter.
    pub fn is_it(&self, message: At<'_>) -> bool {
        self.typed.is_some_and(|(_, typed)| typed.is(message))
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

/// Envoy's default timeout of a route, in seconds.
const DEFAULT_TIMEOUT: f64 = 15.0;

impl<'a> Route<'a> {
    /// Whether the route says how long a response may take.
    pub fn has_timeout(&self) -> bool {
        let fields = ["timeout", "max_stream_duration"];
        fields.iter().any(|field| self.at.at(&["route", field]).is_some())
    }

    /// How long a response may take, in seconds. `None` if there is no limit.
    pub fn timeout(&self) -> Option<f64> {
        // With `max_stream_duration`, `timeout` has no default and no effect.
        let field = match self.at.at(&["route", "max_stream_duration"]) {
            Some(duration) => duration.get("max_stream_duration").map_or(Some(0.0), At::seconds),
            None => self.at.at(&["route", "timeout"]).map_or(Some(DEFAULT_TIMEOUT), At::seconds),
        };
        field.filter(|seconds| *seconds > 0.0)
    }

    /// The retry policy, also of the virtual host, if Envoy retries requests.
    pub fn retry_policy(&self) -> Option<At<'a>> {
        let policy =
            self.at.at(&["route", "retry_policy"]).or_else(|| self.virtual_host.get("retry_policy"))?;
        let is_on = policy.text_at(&["retry_on"]).is_some_and(|conditions| !conditions.is_empty());
        is_on.then_some(policy)
    }

    /// The route in words.
    pub fn in_words(&self) -> String {
        match self.name {
            Some(name) => format!("the route `{name}`"),
            None => "the route without a name".to_owned(),
        }
    }
}
