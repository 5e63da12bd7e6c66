//! Connection managers that take clusters from the filter's header, but have no session-affinity filter.

use super::envoy::{Envoy, Filter, Manager, Route};
use super::file::At;
use super::headers::removes;
use super::report::Report;
use super::routes::{cluster_header_names, takes_cluster_from};
use crate::diagnostic::Level;

/// Filters that may write any header, as a program or a server says.
const MAY_WRITE: [&str; 4] = ["dynamic_modules", "ext_proc", "golang", "wasm"];
/// Filters whose configuration says which headers they write.
const WRITE: [&str; 2] = ["header_mutation", "lua"];

/// Reports routes that take their cluster from the header of a filter, without this filter in front of them.
pub fn check(envoy: &Envoy<'_>, report: &mut Report) {
    for manager in &envoy.managers {
        for (route, at) in unguarded_routes(envoy, manager) {
            let place = manager.at.get("stat_prefix").unwrap_or(manager.at).place();
            let header = at.text().unwrap_or_default().to_lowercase();
            let effect = if removes(manager, &header) {
                "the route answers 503"
            } else {
                "clients choose the cluster with this header"
            };
            let message = format!(
                "{} takes its cluster from `{header}`, but the connection manager at {} has no session-affinity \
                 filter: {effect}",
                route.in_words(),
                place.file_and_line(),
            );
            let help = "write the session-affinity filter into the `http_filters` of the connection manager, before \
                        the router, or `cluster: NAME` in place of `cluster_header`";
            let is_written = manager.filters.iter().any(|filter| may_write(filter, &header));
            let level = if is_written { Level::Warning } else { Level::Error };
            report.add(level, at.place(), message, help);
        }
    }
}

/// The routes of a connection manager without a session-affinity filter that take their cluster from the header of such
/// a filter, and where they do. A filter from a server may be a session-affinity filter.
pub fn unguarded_routes<'b, 'a>(envoy: &Envoy<'a>, manager: &'b Manager<'a>) -> Vec<(&'b Route<'a>, At<'a>)> {
    let is_unknown =
        |filter: &Filter<'_>| filter.typed.is_none() && filter.at.get("config_discovery").is_some();
    let has_filter = envoy.plugins.iter().any(|plugin| manager.contains(plugin));
    if has_filter || manager.filters.iter().any(is_unknown) {
        return Vec::new();
    }
    let headers = cluster_header_names(envoy);
    let takes = |route: &'b Route<'a>| Some((route, takes_cluster_from(route, &headers)?));
    manager.routes.iter().filter_map(takes).collect()
}

/// Whether a filter may write the header.
fn may_write(filter: &Filter<'_>, header: &str) -> bool {
    let kind = filter.kind();
    let mut names_header = false;
    if let Some((_, message)) = filter.typed.filter(|_| WRITE.contains(&kind)) {
        message.walk(&mut |at| {
            let text = at.text().unwrap_or_default().to_lowercase();
            names_header |= text.contains(header);
        });
    }
    names_header || MAY_WRITE.contains(&kind)
}
