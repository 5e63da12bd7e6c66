//! What `check` does not check although its user may expect it: filters that it does not recognise, routes without a
//! connection manager, and files without a filter.

use super::bypass::unguarded_routes;
use super::envoy::Envoy;
use super::files::Files;
use super::plugin::Plugin;
use super::report::Report;
use super::routes::{cluster_header_names, takes_cluster_from};

/// Reports what is not checked, although there are session-affinity filters.
pub fn check(envoys: &[Envoy<'_>], report: &mut Report) {
    for envoy in envoys {
        for plugin in &envoy.other_plugins {
            let mut managers = envoy.managers.iter().filter(|manager| manager.contains(plugin));
            if managers.any(|manager| !unguarded_routes(envoy, manager).is_empty()) {
                unrecognised(plugin, report);
            }
        }
        for plugin in &envoy.plugins {
            let has_routes = !envoy.managers.is_empty() || !envoy.route_configurations.is_empty();
            if has_routes && !envoys.iter().any(|envoy| envoy.uses(plugin)) {
                let message = "no connection manager in the files has this filter, so the filter's routes are not checked";
                let help = "give `check` the file with the connection manager too; with ECDS, give the element of \
                            `http_filters` the name of this filter";
                report.warning(plugin.name_or_message(), message, help);
            }
        }
        unused_routes(envoys, envoy, report);
    }
}

/// Reports route configurations with routes to a filter's choice that no connection manager uses, although another one
/// uses the filter.
fn unused_routes(envoys: &[Envoy<'_>], envoy: &Envoy<'_>, report: &mut Report) {
    if !envoy.plugins.iter().any(|plugin| envoy.uses(plugin)) {
        return;
    }
    let headers = cluster_header_names(envoy);
    for configuration in &envoy.route_configurations {
        let name = configuration.text_at(&["name"]).unwrap_or_default();
        // In a dump of Envoy's configuration, those inside connection managers are resources too.
        let managers = envoys.iter().flat_map(|envoy| &envoy.managers);
        let mut used = managers.flat_map(|manager| &manager.configurations);
        let is_used = used.any(|used| used.text_at(&["name"]) == Some(name));
        let routes = super::envoy::routes(*configuration);
        if !is_used && routes.iter().any(|route| takes_cluster_from(route, &headers).is_some()) {
            let message = format!(
                "no connection manager in the files uses the route configuration `{name}`: its routes are not checked"
            );
            let help = format!(
                "write `route_config_name: {name}` under `rds` in the connection manager, or give `check` the file of the connection manager too"
            );
            report.warning(configuration.name_or_self(), message, help);
        }
    }
}

/// Reports that the files have no session-affinity filter, also when there is nothing else to report. `others` are the
/// other Wasm filters.
pub fn no_filter(files: &Files, others: &[&Plugin<'_>], report: &mut Report) {
    for plugin in others {
        unrecognised(plugin, report);
    }
    if !report.is_clean() {
        return;
    }
    for document in files.without_known_purpose() {
        let message = "there is no session-affinity filter in the file: nothing is checked";
        let help = "give `check` the file that has the filter: Envoy's bootstrap, a file of LDS or ECDS beside it, or a \
                    Kubernetes manifest";
        report.warning(document, message, help);
    }
}

fn unrecognised(plugin: &Plugin<'_>, report: &mut Report) {
    let message = "this Wasm filter is not checked: neither its names nor its configuration are those of a \
                   session-affinity filter";
    let help = "if it is one, write `session_affinity` into its name, and compare its configuration with the fields \
                `sessionAffinity`, `backends` and `services`";
    report.warning(plugin.name_or_message(), message, help);
}
