//! Pins of endpoints: Envoy's `stateful_session` filter after this filter.

use session_affinity::config::{Config, OnUnavailable, Pin, ServiceConfig};

use super::envoy::{Envoy, Filter, Manager};
use super::file::At;
use super::plugin::Plugin;
use super::report::Report;
use super::services::service_of;
use crate::diagnostic::Level;

const STATEFUL_SESSION: &str = "envoy.extensions.filters.http.stateful_session.v3.StatefulSession";
const HEADER_STATE: &str = "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState";

/// Reports services that pin endpoints while a requirement is missing.
pub fn check(envoy: &Envoy<'_>, plugin: &Plugin<'_>, config: &Config, report: &mut Report) {
    let Some(index) = config.services.iter().position(|service| service.pin.has_endpoint()) else { return };
    for (manager, position) in envoy.managers_of(plugin) {
        let Some(ours) = manager.filters.get(position) else { continue };
        let is_session = |filter: &&Filter<'_>| {
            filter.typed.is_some_and(|(name, _)| name == STATEFUL_SESSION)
                && manager.has_both_on(ours, filter)
        };
        // A filter from a server may be `stateful_session`.
        if manager.filters.iter().any(|filter| filter.typed.is_none()) {
            continue;
        }
        let (before, after) = manager.filters.split_at_checked(position).unwrap_or_default();
        let Some(session) = after.iter().find(is_session) else {
            match before.iter().find(is_session) {
                Some(early) => wrong_order(early, report),
                None => missing(plugin, config, index, report),
            }
            continue;
        };
        if let Some((_, message)) = session.typed {
            header_state(message, &config.endpoint_header, report);
            strictness(plugin, manager, session, message, config, report);
        }
        rejecting_retries(manager, ours, config, report);
        one_cluster(manager, ours, config, report);
    }
}

/// Reports a `stateful_session` in the patches of a manifest that uses a different header than the filter.
pub fn check_patches(manifests: &[At<'_>], config: &Config, report: &mut Report) {
    if !config.services.iter().any(|service| service.pin.has_endpoint()) {
        return;
    }
    for manifest in manifests {
        manifest.walk(&mut |at| {
            if let Some((STATEFUL_SESSION, message)) = at.typed() {
                header_state(message, &config.endpoint_header, report);
            }
        });
    }
}

fn example(header: &str) -> String {
    format!(
        "`{{name: envoy.filters.http.stateful_session, typed_config: {{\"@type\": \
         type.googleapis.com/{STATEFUL_SESSION}, session_state: {{name: envoy.http.stateful_session.header, \
         typed_config: {{\"@type\": type.googleapis.com/{HEADER_STATE}, name: {header}}}}}}}}}`"
    )
}

fn missing(plugin: &Plugin<'_>, config: &Config, index: usize, report: &mut Report) {
    let path = format!("{}pin", plugin.service_path(index));
    let message =
        "a pin of endpoints needs Envoy's `stateful_session` filter after this filter, but there is none";
    let help = format!("write between this filter and the router: {}", example(&config.endpoint_header));
    report.add(Level::Error, plugin.place(&path), message, help);
}

fn wrong_order(early: &Filter<'_>, report: &mut Report) {
    let message = "`stateful_session` comes before the filter: so it reads what clients send, and the filter never \
                   learns which endpoint answered";
    let place = early.at.get("name").unwrap_or(early.at);
    report.error(place, message, "move `stateful_session` between the filter and the router");
}

fn header_state(message: At<'_>, header: &str, report: &mut Report) {
    let state = message.at(&["session_state", "typed_config"]);
    let Some((name, typed)) = state.and_then(At::typed) else {
        let text = "`stateful_session` has no `session_state`, so it has no effect";
        return report.error(message, text, format!("write {}", example(header)));
    };
    if name != HEADER_STATE {
        let text = "`stateful_session` does not keep its state in a header, so the filter cannot pass the endpoint \
                    to it";
        let help = format!("write `{{\"@type\": type.googleapis.com/{HEADER_STATE}, name: {header}}}`");
        return report.error(state.and_then(|state| state.get("@type")).unwrap_or(message), text, help);
    }
    let given = typed.get("name");
    if given.and_then(At::text).is_some_and(|given| given.eq_ignore_ascii_case(header)) {
        return;
    }
    let text = format!(
        "`stateful_session` uses the header `{}`, but the filter writes the endpoint into `{header}`",
        given.and_then(At::text).unwrap_or_default()
    );
    report.error(given.unwrap_or(typed), text, format!("write `name: {header}`"));
}

fn strictness(
    plugin: &Plugin<'_>,
    manager: &Manager<'_>,
    session: &Filter<'_>,
    message: At<'_>,
    config: &Config,
    report: &mut Report,
) {
    let has_own = |at: At<'_>| at.at(&["typed_per_filter_config", session.name]).is_some();
    // A route may override `stateful_session`.
    if manager
        .routes
        .iter()
        .any(|route| has_own(route.at) || has_own(route.virtual_host) || has_own(route.configuration))
    {
        return;
    }
    let strict = message.get("strict").filter(|strict| strict.is_true());
    for (index, service) in
        config.services.iter().enumerate().filter(|(_, service)| service.pin.has_endpoint())
    {
        let path = plugin.service_path(index);
        match (rejects(service), strict) {
            (true, None) => {
                let text = "REJECT with a pin of endpoints needs `strict: true` in `stateful_session`: without it \
                            Envoy moves the session to another endpoint";
                let help = "write `strict: true` in `stateful_session`, beside `session_state`";
                report.add(Level::Error, plugin.place(&format!("{path}onUnavailable")), text, help);
            }
            (false, Some(strict)) => {
                let text = format!(
                    "with `strict: true` Envoy answers 503, but the service `{}` should move the session (REPIN)",
                    service.name
                );
                report.error(
                    strict,
                    text,
                    "take `strict: true` away, or write `onUnavailable: REJECT` in the filter",
                );
            }
            _ => {}
        }
    }
}

fn rejects(service: &ServiceConfig) -> bool {
    matches!(service.on_unavailable, OnUnavailable::Reject(_))
}

/// Reports a service with routes to several clusters. An endpoint belongs to one cluster, so a session moves on a route
/// of another cluster.
fn one_cluster(manager: &Manager<'_>, ours: &Filter<'_>, config: &Config, report: &mut Report) {
    for (index, service) in
        config.services.iter().enumerate().filter(|(_, service)| service.pin == Pin::Endpoint)
    {
        let of_service = manager
            .routes
            .iter()
            .filter(|route| ours.is_on(route))
            .filter(|route| service_of(config, route).is_some_and(|(served_by, _)| served_by == index));
        let mut clusters = of_service.filter_map(|route| Some((route, route.at.at(&["route", "cluster"])?)));
        let Some((_, first)) = clusters.next() else { continue };
        if let Some((route, other)) = clusters.find(|(_, cluster)| cluster.text() != first.text()) {
            let text = format!(
                "the service `{}` pins endpoints of the cluster `{}`, but {} goes to another cluster: a session moves \
                 each time that it changes between the two routes",
                service.name,
                first.text().unwrap_or_default(),
                route.in_words()
            );
            let help = "write a separate service for the routes of each cluster, with `routes: [NAME]` and a cookie \
                        of another name";
            report.warning(other, text, help);
        }
    }
}

/// Reports retries with REJECT: a retry uses another endpoint, so the session would move anyway.
fn rejecting_retries(manager: &Manager<'_>, ours: &Filter<'_>, config: &Config, report: &mut Report) {
    for route in manager.routes.iter().filter(|route| ours.is_on(route)) {
        let Some((_, service)) = service_of(config, route) else { continue };
        if !rejects(service) || service.pin == Pin::Cluster {
            continue;
        }
        if let Some(policy) = route.retry_policy() {
            let text = format!(
                "{} has a `retry_policy`, but the service `{}` has `onUnavailable: REJECT`: a retry goes to another endpoint",
                route.in_words(),
                service.name
            );
            report.warning(policy, text, "take the `retry_policy` away");
        }
    }
}
