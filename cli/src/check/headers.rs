//! The headers between the filter and Envoy: whether clients can write them.

use session_affinity::config::Config;

use super::envoy::{Envoy, Manager};
use super::file::At;
use super::plugin::Plugin;
use super::report::Report;

const EARLY_MUTATION: &str = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";

/// Reports connection managers that do not remove the filter's headers before all other processing.
pub fn check(envoy: &Envoy<'_>, plugin: &Plugin<'_>, config: &Config, report: &mut Report) {
    let names_clusters = config.services.iter().any(|service| service.pin.has_cluster());
    let pins_endpoints = config.services.iter().any(|service| service.pin.has_endpoint());
    let headers = [(names_clusters, &config.cluster_header), (pins_endpoints, &config.endpoint_header)];
    let needed: Vec<&str> =
        headers.iter().filter(|(needed, _)| *needed).map(|(_, name)| name.as_str()).collect();
    for (manager, _) in envoy.managers_of(plugin) {
        let extensions = manager.at.get("early_header_mutation_extensions");
        for name in needed.iter().filter(|name| !removes(manager, name)) {
            let place = extensions.or_else(|| manager.at.get("stat_prefix")).unwrap_or(manager.at);
            let message = format!(
                "clients can write the header `{name}` on routes that switch the filter off: the connection manager \
                 does not remove it before everything else"
            );
            report.warning(place, message, help(extensions, name));
        }
    }
}

/// Whether the connection manager removes the header before all other processing.
pub fn removes(manager: &Manager<'_>, header: &str) -> bool {
    let extensions = manager.at.items_at(&["early_header_mutation_extensions"]);
    extensions
        .filter_map(|extension| extension.get("typed_config")?.typed())
        .filter(|(name, _)| *name == EARLY_MUTATION)
        .flat_map(|(_, message)| message.items_at(&["mutations"]))
        .filter_map(|mutation| mutation.text_at(&["remove"]))
        .any(|removed| removed.eq_ignore_ascii_case(header))
}

fn help(extensions: Option<At<'_>>, name: &str) -> String {
    if extensions.is_some() {
        return format!("write `- remove: {name}` under `mutations`");
    }
    format!(
        "write in the connection manager `early_header_mutation_extensions: [{{name: \
         envoy.http.early_header_mutation.header_mutation, typed_config: {{\"@type\": \
         type.googleapis.com/{EARLY_MUTATION}, mutations: [{{remove: {name}}}]}}}}]`"
    )
}
