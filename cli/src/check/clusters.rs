//! Clusters: whether each backend has a cluster, and whether the clusters handle failing backends well.

use session_affinity::config::{Config, Pin, ServiceConfig};

use super::envoy::{Envoy, Known, Route};
use super::file::At;
use super::plugin::Plugin;
use super::report::Report;
use super::services::service_of;
use crate::diagnostic::Level;
use crate::suggest::{listed, nearest};

/// Envoy's default `connect_timeout` of a cluster, in seconds.
const DEFAULT_CONNECT_TIMEOUT: f64 = 5.0;

/// Reports backends without a cluster, and clusters with settings that do not work well with the filter.
pub fn check(envoy: &Envoy<'_>, plugin: &Plugin<'_>, config: &Config, report: &mut Report) {
    for (index, service) in config.services.iter().enumerate() {
        for (number, backend) in service.backends.iter().enumerate() {
            match envoy.cluster(&backend.cluster) {
                Some(cluster) => {
                    panic_mode(envoy, cluster, report);
                    members(envoy, cluster, report);
                }
                None => missing(envoy, plugin, config, (index, number), report),
            }
        }
    }
    for (manager, position) in envoy.managers_of(plugin) {
        let Some(filter) = manager.filters.get(position) else { continue };
        for route in manager.routes.iter().filter(|route| filter.is_on(route)) {
            let Some(action) = route.at.get("route") else { continue };
            let Some((_, service)) = service_of(config, route) else { continue };
            let clusters: Vec<At<'_>> = if service.pin == Pin::Endpoint {
                named_clusters(action).filter_map(|name| envoy.cluster(name)).collect()
            } else if takes_header(action) {
                service.backends.iter().filter_map(|backend| envoy.cluster(&backend.cluster)).collect()
            } else {
                continue;
            };
            for cluster in clusters {
                panic_mode(envoy, cluster, report);
                connect_timeout(envoy, route, cluster, report);
                retries(route, cluster, report);
            }
        }
    }
}

fn named_clusters(action: At<'_>) -> impl Iterator<Item = &str> {
    let weighted = action.items_at(&["weighted_clusters", "clusters"]);
    let weighted = weighted.filter_map(|cluster| cluster.text_at(&["name"]));
    action.text_at(&["cluster"]).into_iter().chain(weighted)
}

fn takes_header(action: At<'_>) -> bool {
    let mut weighted = action.items_at(&["weighted_clusters", "clusters"]);
    action.get("cluster_header").is_some() || weighted.any(|cluster| cluster.get("cluster_header").is_some())
}

/// Reports a backend without a cluster.
fn missing(
    envoy: &Envoy<'_>,
    plugin: &Plugin<'_>,
    config: &Config,
    (service, number): (usize, usize),
    report: &mut Report,
) {
    let Some(level) = level_of_missing(envoy) else { return };
    let Some(own) = config.services.get(service) else { return };
    let Some(name) = own.backends.get(number).map(|backend| backend.cluster.as_str()) else { return };
    let path = format!("{}backends[{number}]", plugin.service_path(service));
    let of_object = format!("{path}.cluster");
    let path = if plugin.node(&of_object).is_some() { of_object } else { path };
    let message =
        format!("no cluster has the name `{name}`: Envoy answers requests for this backend with 503");
    let names = |service: &ServiceConfig, cluster: &str| {
        service.backends.iter().any(|backend| backend.cluster == cluster)
    };
    let is_free = |cluster: &&str| !names(own, cluster);
    let is_unused = |cluster: &&str| !config.services.iter().any(|service| names(service, cluster));
    let free: Vec<&str> = envoy.cluster_names().filter(is_free).collect();
    let unused: Vec<&str> = envoy.cluster_names().filter(is_unused).collect();
    report.add(level, plugin.place(&path), message, write_cluster(name, &free, &unused));
}

/// Reports the members of an aggregate or composite cluster that do not exist.
fn members(envoy: &Envoy<'_>, cluster: At<'_>, report: &mut Report) {
    let Some(level) = level_of_missing(envoy) else { return };
    let is_itself = |name: &str| cluster.text_at(&["name"]) == Some(name);
    for (name, at) in Envoy::members(cluster).filter(|(name, _)| envoy.cluster(name).is_none()) {
        let message = format!(
            "no cluster has the name `{name}`: so the cluster `{}` never sends requests there",
            cluster.text_at(&["name"]).unwrap_or_default()
        );
        let is_free =
            |other: &&str| !Envoy::members(cluster).any(|(member, _)| member == *other) && !is_itself(other);
        let free: Vec<&str> = envoy.cluster_names().filter(is_free).collect();
        report.add(level, at.place(), message, write_cluster(name, &free, &[]));
    }
}

/// The level of a cluster that does not exist. `None` if the cluster may come from elsewhere.
fn level_of_missing(envoy: &Envoy<'_>) -> Option<Level> {
    match envoy.clusters_known {
        Known::All => Some(Level::Error),
        Known::WithoutBootstrap => (!envoy.clusters.is_empty()).then_some(Level::Warning),
        Known::Partly => None,
    }
}

/// What to write in place of the name of a cluster that does not exist. `free` are the names that may stand in its
/// place, and `unused` the names that no service has.
fn write_cluster(name: &str, free: &[&str], unused: &[&str]) -> String {
    let listed = listed(free.iter().copied());
    match (nearest(name, free.iter().copied()), unused) {
        (Some(near), _) if free.len() > 1 => {
            format!("write `{near}`, or add a cluster `{name}`; possible names are {listed}")
        }
        (Some(meant), _) | (None, &[meant]) => format!("write `{meant}`, or add a cluster `{name}`"),
        (None, _) if free.is_empty() => format!("add a cluster `{name}`"),
        (None, _) if free.len() == 1 => format!("add a cluster `{name}`, or write {listed}"),
        (None, _) => format!("add a cluster `{name}`, or write one of {listed}"),
    }
}

fn panic_mode(envoy: &Envoy<'_>, cluster: At<'_>, report: &mut Report) {
    for cluster in envoy.with_members(cluster) {
        let threshold = cluster.at(&["common_lb_config", "healthy_panic_threshold"]);
        let value = threshold.map(|threshold| threshold.get("value").and_then(At::number).unwrap_or(0.0));
        if value == Some(0.0) {
            continue;
        }
        let name = cluster.text_at(&["name"]).unwrap_or_default();
        let message = format!(
            "the cluster `{name}` has no `healthy_panic_threshold: {{value: 0}}`: with health checks, Envoy sends \
             requests to unhealthy endpoints when few are healthy, and the filter does not notice it"
        );
        let help = "write `common_lb_config: {healthy_panic_threshold: {value: 0}}` in the cluster";
        report.warning(threshold.unwrap_or_else(|| cluster.name_or_self()), message, help);
    }
}

fn connect_timeout(envoy: &Envoy<'_>, route: &Route<'_>, cluster: At<'_>, report: &mut Report) {
    let Some(limit) = route.timeout() else { return };
    for cluster in envoy.with_members(cluster) {
        // An aggregate or composite cluster makes no connections itself.
        if cluster.get("cluster_type").is_some() {
            continue;
        }
        let written = cluster.get("connect_timeout");
        let seconds = written.map_or(Some(DEFAULT_CONNECT_TIMEOUT), At::seconds);
        let Some(seconds) = seconds.filter(|seconds| *seconds >= limit) else { continue };
        let name = cluster.text_at(&["name"]).unwrap_or_default();
        let message = format!(
            "the cluster `{name}` waits {seconds} s for a connection (`connect_timeout`), and {} ends requests after \
             {limit} s: a backend that drops all packets is never detected",
            route.in_words()
        );
        let help = format!(
            "write a `connect_timeout` below {limit}s, for example `connect_timeout: {}s`",
            shorter(limit)
        );
        report.warning(written.unwrap_or_else(|| cluster.name_or_self()), message, help);
    }
}

fn shorter(limit: f64) -> f64 {
    if limit > 1.0 { 1.0 } else { limit / 2.0 }
}

fn retries(route: &Route<'_>, cluster: At<'_>, report: &mut Report) {
    if route.retry_policy().is_none() {
        return;
    }
    let breakers = cluster.get("circuit_breakers");
    let thresholds = cluster.items_at(&["circuit_breakers", "thresholds"]);
    let is_default = |threshold: &At<'_>| {
        threshold.get("priority").is_none_or(|priority| priority.text() == Some("DEFAULT"))
    };
    let mut set = thresholds.filter(is_default);
    if set.any(|threshold| threshold.get("max_retries").is_some() || threshold.get("retry_budget").is_some())
    {
        return;
    }
    let name = cluster.text_at(&["name"]).unwrap_or_default();
    let message = format!(
        "{} retries requests to the cluster `{name}`, but Envoy allows a cluster three retries at a time, and answers \
         further ones with 503",
        route.in_words()
    );
    let help = "write `circuit_breakers: {thresholds: [{max_retries: 1024}]}` in the cluster";
    report.warning(breakers.unwrap_or_else(|| cluster.name_or_self()), message, help);
}
