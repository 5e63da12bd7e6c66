//! The filters before and after this filter.

use session_affinity::config::Config;

use super::envoy::{Envoy, Filter, Manager};
use super::plugin::Plugin;
use super::report::Report;

/// Filters that can clear Envoy's route cache. Further filters, such as `ext_authz` and `jwt_authn`, clear it only with
/// `clear_route_cache: true`.
const CAN_CLEAR_ROUTES: [&str; 15] = [
    "api_key_auth",
    "basic_auth",
    "composite",
    "dynamic_modules",
    "ext_proc",
    "golang",
    "grpc_json_transcoder",
    "header_to_metadata",
    "ip_tagging",
    "json_to_metadata",
    "lua",
    "oauth2",
    "rate_limit_quota",
    "set_filter_state",
    "wasm",
];
/// Filters after which Envoy chooses the route again.
const CHOOSES_ROUTE_AGAIN: [&str; 3] = ["header_mutation", "set_metadata", "cors"];
/// Filters that may answer requests themselves.
const ANSWERS: [&str; 8] = [
    "api_key_auth",
    "basic_auth",
    "ext_authz",
    "jwt_authn",
    "local_ratelimit",
    "oauth2",
    "ratelimit",
    "rbac",
];

/// Reports filters whose position does not work well with this filter.
pub fn check(envoy: &Envoy<'_>, plugin: &Plugin<'_>, config: &Config, report: &mut Report) {
    for (manager, position) in envoy.managers_of(plugin) {
        let (before, rest) = manager.filters.split_at_checked(position).unwrap_or_default();
        let Some((ours, after)) = rest.split_first() else { continue };
        twice(envoy, manager, ours, before, config, report);
        route_cache(envoy, manager, ours, before, config, report);
        let answers =
            |filter: &&Filter<'_>| ANSWERS.contains(&filter.kind()) && manager.has_both_on(ours, filter);
        for filter in after.iter().filter(answers) {
            let kind = filter.kind();
            let message = format!(
                "`{kind}` comes after the filter: the filter chooses a backend, and counts an outcome, for requests \
                 that `{kind}` then refuses"
            );
            let help = format!("move `{}` behind `{}`, directly before the router", ours.name, filter.name);
            report.warning(filter.at.get("name").unwrap_or(filter.at), message, help);
        }
    }
}

/// Reports a second session-affinity filter in the same connection manager, on a route that both serve.
fn twice(
    envoy: &Envoy<'_>,
    manager: &Manager<'_>,
    ours: &Filter<'_>,
    before: &[Filter<'_>],
    config: &Config,
    report: &mut Report,
) {
    let has_same_header = |filter: &&Filter<'_>| {
        let other = envoy.plugin_of(filter).and_then(Plugin::readable);
        other.is_some_and(|other| other.cluster_header == config.cluster_header)
    };
    let Some(first) = before.iter().find(has_same_header) else { return };
    if first.name != ours.name && !manager.has_both_on(first, ours) {
        return;
    }
    let message = format!(
        "the filter is twice in this connection manager, first at {}: the second filter overwrites or \
         removes what the first filter writes into `{}`",
        first.at.place().file_and_line(),
        config.cluster_header
    );
    let help = "take one of the two away; for several services write one filter with `services: [{name: …, routes: \
                [NAME], …}, …]`";
    report.error(ours.at.get("name").unwrap_or(ours.at), message, help);
}

/// Reports an earlier filter after which the filter may see an old route.
fn route_cache(
    envoy: &Envoy<'_>,
    manager: &Manager<'_>,
    ours: &Filter<'_>,
    before: &[Filter<'_>],
    config: &Config,
    report: &mut Report,
) {
    let goes_by_route = config.services.iter().any(|service| service.routes.is_some());
    let is_fresh = before.last().is_some_and(|filter| CHOOSES_ROUTE_AGAIN.contains(&filter.kind()));
    if !goes_by_route || is_fresh {
        return;
    }
    let can_clear = |filter: &&Filter<'_>| {
        can_clear_routes(filter) && envoy.plugin_of(filter).is_none() && manager.has_both_on(ours, filter)
    };
    let Some(earlier) = before.iter().find(can_clear) else { return };
    let kind = earlier.kind();
    let message = format!(
        "`{kind}` before the filter can have Envoy's route cache cleared: the filter then uses the old route of the \
         request, and perhaps the wrong service"
    );
    let help = format!(
        "write directly before `{}`: `{{name: envoy.filters.http.header_mutation, typed_config: {{\"@type\": \
         type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation}}}}`",
        ours.name
    );
    report.warning(earlier.at.get("name").unwrap_or(earlier.at), message, help);
}

/// Whether the filter can clear the route cache. `clear_route_cache: false` excludes it.
fn can_clear_routes(filter: &Filter<'_>) -> bool {
    let mut given = Vec::new();
    if let Some((_, message)) = filter.typed {
        message.walk(&mut |at| given.extend(at.get("clear_route_cache")));
    }
    given.iter().any(|at| at.is_true()) || (given.is_empty() && CAN_CLEAR_ROUTES.contains(&filter.kind()))
}
