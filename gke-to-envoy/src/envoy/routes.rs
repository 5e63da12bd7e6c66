//! Hosts and paths.

use super::{CLUSTER_HEADER, Plan, seconds};
use crate::balancer::BackendService;
use crate::document::{Map, Yaml, row};
use crate::manifest::AffinityType;
use crate::url_map::{self, Path};

/// How long a stream may be silent, unless a route says otherwise.
pub(super) const SILENCE_SEC: u32 = 300;
/// What GKE's default backend says.
const NOT_FOUND: &str = "default backend - 404";

pub(super) fn virtual_hosts(plan: &Plan<'_>) -> Vec<Map> {
    let mut hosts = plan.balancer.hosts.clone();
    let others = hosts.iter().position(|host| host.name == "*").map(|index| hosts.remove(index));
    let mut virtual_hosts: Vec<Map> =
        hosts.into_iter().map(|host| virtual_host(plan, &host.name, &host.name, host.paths)).collect();
    let others = others.map_or_else(Vec::new, |host| host.paths);
    virtual_hosts.push(virtual_host(plan, "any-other-host", "*", others));
    virtual_hosts
}

fn virtual_host(plan: &Plan<'_>, name: &str, domain: &str, mut paths: Vec<Path<String>>) -> Map {
    url_map::sort(&mut paths);
    let takes_all = paths.iter().any(|path| path.is_prefix && path.text == "/");
    let matched = merged(&paths).into_iter();
    let mut routes: Vec<Map> =
        matched.filter_map(|(matcher, name)| Some(route(plan, matcher, service(plan, name)?))).collect();
    if !takes_all {
        let everything = Map::new().with("prefix", "/").inline();
        let default = plan.balancer.default.as_ref().and_then(|name| service(plan, name));
        routes.push(match default {
            Some(service) => route(plan, everything, service),
            None => not_found(everything),
        });
    }
    Map::new().with("name", name).with("domains", row([domain])).with("routes", routes)
}

fn service<'a>(plan: &Plan<'a>, name: &str) -> Option<&'a BackendService> {
    plan.balancer.services.iter().find(|service| service.name == name)
}

/// Matchers and the names of services. A path and all below it, where both lead to one service, is one route. It stands
/// where the path alone would: what begins with it and is longer comes before.
fn merged(paths: &[Path<String>]) -> Vec<(Yaml, &str)> {
    let is_below = |path: &Path<String>, below: &Path<String>| {
        below.is_prefix && below.text.strip_suffix('/') == Some(&*path.text) && path.target == below.target
    };
    let mut routes = Vec::new();
    for path in paths {
        if paths.iter().any(|alone| !alone.is_prefix && is_below(alone, path)) {
            continue;
        }
        let has_below = !path.is_prefix && paths.iter().any(|below| is_below(path, below));
        let kind = match (path.is_prefix, has_below) {
            (true, _) => "prefix",
            (false, true) => "path_separated_prefix",
            (false, false) => "path",
        };
        routes.push((Map::new().with(kind, &*path.text).inline(), &*path.target));
    }
    routes
}

fn route(plan: &Plan<'_>, matcher: Yaml, service: &BackendService) -> Map {
    let target = if plan.pins_endpoints(service) {
        Map::new().with("cluster", &*service.name)
    } else {
        Map::new().with("cluster_header", CLUSTER_HEADER)
    };
    // An open WebSocket counts as silent only after as long as GKE would let it live.
    let silence = service.timeout_sec.filter(|timeout| *timeout > SILENCE_SEC).map(seconds);
    let timeout = seconds(service.timeout_sec.unwrap_or(0));
    let action = target.with("timeout", timeout).with_some("idle_timeout", silence);
    let is_plain = plan.options.eds.is_none();
    let action = if is_plain { action.inline() } else { with_endpoints(action, service).into() };
    let route = Map::new().with("name", &*service.name).with("match", matcher).with("route", action);
    let route = with_headers(route, "request_headers_to_add", &service.request_headers);
    with_headers(route, "response_headers_to_add", &service.response_headers)
}

/// What a cluster of several endpoints needs: a hash for clients by address, another endpoint for one that is gone.
fn with_endpoints(action: Map, service: &BackendService) -> Map {
    let by_address = Map::new().with("connection_properties", Map::new().with("source_ip", true).inline());
    let hash =
        (service.affinity_type == AffinityType::ClientIp).then(|| Yaml::List(vec![by_address.inline()]));
    let other_host = super::extension(
        "envoy.retry_host_predicates.previous_hosts",
        super::typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
    );
    let retries = Map::new()
        .with("retry_on", "connect-failure,refused-stream,reset-before-request")
        .with("num_retries", 2_u32)
        .with("retry_host_predicate", vec![other_host])
        .with("host_selection_retry_max_attempts", 5_u32);
    action.with_some("hash_policy", hash).with("retry_policy", retries)
}

fn with_headers(route: Map, field: &'static str, headers: &[(String, String)]) -> Map {
    if headers.is_empty() {
        return route;
    }
    let header = |(key, value): &(String, String)| {
        let header = Map::new().with("key", &**key).with("value", &**value).inline();
        Map::new()
            .with("header", header)
            .with("append_action", "OVERWRITE_IF_EXISTS_OR_ADD")
            .with_some("keep_empty_value", value.is_empty().then_some(true))
    };
    route.with(field, headers.iter().map(header).collect::<Vec<_>>())
}

/// A route that no service of the filter has.
fn not_found(matcher: Yaml) -> Map {
    let body = Map::new().with("inline_string", NOT_FOUND);
    Map::new()
        .with("name", "default_backend_404")
        .with("match", matcher)
        .with("direct_response", Map::new().with("status", 404_u32).with("body", body.inline()).inline())
}
