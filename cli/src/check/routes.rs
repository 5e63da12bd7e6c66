//! Routes: where they take their cluster from, and their timeouts.

use session_affinity::config::{Config, Pin, ServiceConfig};

use super::envoy::{Envoy, Manager, Route};
use super::file::At;
use super::plugin::Plugin;
use super::report::Report;
use super::services::{KnownRoutes, misspelling, only_missing, service_of};
use crate::diagnostic::Level;

/// Reports routes on which the filter does not work.
pub fn check(
    envoy: &Envoy<'_>,
    plugin: &Plugin<'_>,
    config: &Config,
    known: &KnownRoutes<'_>,
    report: &mut Report,
) {
    for (manager, position) in envoy.managers_of(plugin) {
        let Some(filter) = manager.filters.get(position) else { continue };
        // A route that only the service without `routes` serves may use a fixed cluster on purpose. If all routes do,
        // it is an error.
        let level = if is_used(manager, config) { Level::Warning } else { Level::Error };
        for route in &manager.routes {
            overrides(route, filter.name, report);
            let Some(action) = route.at.get("route") else { continue };
            if !filter.is_on(route) {
                switched_off(envoy, manager, route, action, config, report);
                continue;
            }
            if has_header_of_another(envoy, plugin, action) {
                continue;
            }
            match service_of(config, route) {
                Some((_, service)) => {
                    served(route, action, service, config, level, report);
                    timeout(route, action, report);
                }
                None => unserved(known, route, action, plugin, config, report),
            }
        }
    }
}

/// Reports a configuration of the filter for a single route, which Envoy's Wasm filter does not support.
fn overrides(route: &Route<'_>, filter_name: &str, report: &mut Report) {
    for at in [route.at, route.virtual_host, route.configuration] {
        let Some(found) = at.at(&["typed_per_filter_config", filter_name]) else { continue };
        let is_wasm = |at: &At<'_>| at.type_name() == Some(super::envoy::WASM);
        if let Some(config) = [Some(found), found.get("config")].into_iter().flatten().find(is_wasm) {
            let message = "Envoy's Wasm filter does not support a configuration for a single route";
            let help = "write a service with `routes: [NAME]` in the filter's configuration, or switch the filter off \
                        here: `{\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}`";
            report.error(config, message, help);
        }
    }
}

/// Where a route takes its cluster from a header.
pub fn cluster_headers(action: At<'_>) -> Vec<At<'_>> {
    let weighted = action.items_at(&["weighted_clusters", "clusters"]);
    let weighted = weighted.filter_map(|cluster| cluster.get("cluster_header"));
    action.get("cluster_header").into_iter().chain(weighted).collect()
}

/// Where a route takes its cluster from one of the headers.
pub fn takes_cluster_from<'a>(route: &Route<'a>, headers: &[String]) -> Option<At<'a>> {
    let action = route.at.get("route")?;
    cluster_headers(action).into_iter().find(|at| headers.iter().any(|header| is_header(*at, header)))
}

/// The headers from which routes take a filter's choice: those of the filters, and the default.
pub fn cluster_header_names(envoy: &Envoy<'_>) -> Vec<String> {
    let configs = envoy.plugins.iter().filter_map(Plugin::readable);
    let names = configs.map(|config| config.cluster_header.clone());
    names.chain([Config::default().cluster_header]).collect()
}

/// Whether the value is the name of a header.
pub fn is_header(at: At<'_>, name: &str) -> bool {
    at.text().is_some_and(|text| text.eq_ignore_ascii_case(name))
}

/// Whether the route takes its cluster from another session-affinity filter.
fn has_header_of_another(envoy: &Envoy<'_>, plugin: &Plugin<'_>, action: At<'_>) -> bool {
    let header = |plugin: &Plugin<'_>| plugin.readable().map(|config| config.cluster_header.clone());
    let ours = header(plugin);
    let others = envoy.plugins.iter().filter(|other| !other.message.is(plugin.message)).filter_map(header);
    let others: Vec<String> = others.filter(|other| Some(other) != ours.as_ref()).collect();
    cluster_headers(action).iter().any(|found| others.iter().any(|other| is_header(*found, other)))
}

/// Whether any route takes its cluster from the filter.
fn is_used(manager: &Manager<'_>, config: &Config) -> bool {
    let actions = manager.routes.iter().filter_map(|route| route.at.get("route"));
    let mut headers = actions.flat_map(cluster_headers);
    headers.any(|found| is_header(found, &config.cluster_header))
}

/// Checks a route that a service serves. `level` applies if the service has no `routes`.
fn served(
    route: &Route<'_>,
    action: At<'_>,
    service: &ServiceConfig,
    config: &Config,
    level: Level,
    report: &mut Report,
) {
    let header = &config.cluster_header;
    let headers = cluster_headers(action);
    let has_ours = headers.iter().any(|found| is_header(*found, header));
    let (route_words, name) = (route.in_words(), &service.name);
    if service.pin == Pin::Endpoint {
        if let Some(found) = headers.iter().find(|found| is_header(**found, header)) {
            let message = format!(
                "{route_words} takes its cluster from `{header}`, but the service `{name}` has `pin: ENDPOINT` and \
                 names no cluster: the route answers 503"
            );
            report.error(*found, message, "write `cluster: NAME` with the cluster that has the endpoints");
        }
        return;
    }
    if has_ours {
        let mut weighted = action.items_at(&["weighted_clusters", "clusters"]);
        if let Some(fixed) = weighted
            .find_map(|cluster| cluster.get("name").filter(|_| cluster.get("cluster_header").is_none()))
        {
            let message = format!(
                "{route_words} sends a part of the requests to the cluster `{}`, whatever the filter chooses",
                fixed.text().unwrap_or_default()
            );
            let help = format!(
                "write `cluster_header: {header}` in place of `weighted_clusters`, and the weights in the filter: \
                 `backends: [{{cluster: NAME, weight: 9}}, …]`"
            );
            report.warning(fixed, message, help);
        }
        return;
    }
    if let Some(found) = headers.first() {
        let given = found.text().unwrap_or_default();
        let message = format!(
            "{route_words} takes its cluster from `{given}`, but the filter writes the cluster into `{header}`"
        );
        let help = format!("write `cluster_header: {header}`, or `clusterHeader: {given}` in the filter");
        return report.error(*found, message, help);
    }
    let fixed =
        ["cluster", "weighted_clusters", "cluster_specifier_plugin", "inline_cluster_specifier_plugin"];
    let Some((field, found)) = fixed.iter().find_map(|field| Some((*field, action.get(field)?))) else {
        return;
    };
    if service.routes.is_some() {
        let message = format!(
            "the service `{name}` serves {route_words}, but the route takes its cluster from `{field}`: the filter's \
             choice has no effect"
        );
        report.error(found, message, format!("write `cluster_header: {header}` in place of `{field}`"));
    } else {
        let message = format!(
            "the service `{name}` has no `routes` and so serves {route_words} too, but the route takes its cluster \
             from `{field}`: the filter's choice has no effect there"
        );
        let help = format!(
            "write `cluster_header: {header}` in place of `{field}`, or list the routes of the service in \
             `routes: [NAME]`"
        );
        report.add(level, found.place(), message, help);
    }
}

/// Checks a route that no service serves.
fn unserved(
    known: &KnownRoutes<'_>,
    route: &Route<'_>,
    action: At<'_>,
    plugin: &Plugin<'_>,
    config: &Config,
    report: &mut Report,
) {
    let header = &config.cluster_header;
    let Some(found) = cluster_headers(action).into_iter().find(|found| is_header(*found, header)) else {
        return;
    };
    let message = format!(
        "{} takes its cluster from `{header}`, but no service serves the route: the route answers 503",
        route.in_words()
    );
    let path = if plugin.node("services").is_some() { "of one of the `services`" } else { "of the filter" };
    let misspelling = route.name.and_then(|name| misspelling(known, config, name));
    let help = match (route.name, misspelling) {
        (Some(name), Some((service, wrong))) => {
            format!("write `{name}` in place of `{wrong}` in the `routes` of the service `{}`", service.name)
        }
        (Some(name), None) => {
            format!("add `{name}` to the `routes` {path}, or leave `routes` out in one service")
        }
        (None, _) => match only_missing(known, config) {
            Some((service, name)) => {
                format!("write `name: {name}` at the route if the service `{}` serves it", service.name)
            }
            None => format!(
                "write `name: NAME` at the route and add the name to the `routes` {path}, or leave `routes` out in \
                 one service"
            ),
        },
    };
    report.error(found, message, help);
}

/// Checks a route on which no session-affinity filter with this header is switched on.
fn switched_off(
    envoy: &Envoy<'_>,
    manager: &Manager<'_>,
    route: &Route<'_>,
    action: At<'_>,
    config: &Config,
    report: &mut Report,
) {
    let header = &config.cluster_header;
    let mut others = manager.filters.iter().filter(|filter| envoy.plugin_of(filter).is_some());
    let others_on = others.any(|filter| filter.is_on(route));
    let found = cluster_headers(action).into_iter().find(|found| is_header(*found, header));
    if let Some(found) = found.filter(|_| !others_on) {
        let message = format!(
            "{} takes its cluster from `{header}`, but the filter is switched off there: the route answers 503",
            route.in_words()
        );
        report.error(found, message, "write `cluster: NAME`, or take `disabled: true` away");
    }
}

/// Reports a route that uses Envoy's default timeout.
fn timeout(route: &Route<'_>, action: At<'_>, report: &mut Report) {
    if route.has_timeout() {
        return;
    }
    let message = format!(
        "{} has no `timeout`: Envoy ends every response that takes more than 15 seconds, streams \
         included",
        route.in_words()
    );
    let place = if route.name.is_some() { route.at.name_or_self() } else { action };
    report.warning(
        place,
        message,
        "write `timeout: 0s` for no limit, or the longest time that a response may take",
    );
}
