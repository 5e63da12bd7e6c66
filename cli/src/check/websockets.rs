//! Upgraded connections, which do not renew sessions.

use session_affinity::config::Config;

use super::envoy::{Envoy, Manager, Route};
use super::file::At;
use super::plugin::Plugin;
use super::report::Report;
use super::services::service_of;
use crate::diagnostic::Level;

/// A session with a lifetime below this, in seconds, often ends while connections are open.
const SHORT: u32 = 3600;

/// Reports services behind `upgrade_configs` whose sessions end while a WebSocket is open.
pub fn check(envoy: &Envoy<'_>, plugin: &Plugin<'_>, config: &Config, report: &mut Report) {
    for (manager, position) in envoy.managers_of(plugin) {
        let Some(filter) = manager.filters.get(position) else { continue };
        let routes = manager.routes.iter().filter(|route| filter.is_on(route));
        for route in routes {
            let Some(upgrade) = upgrade(manager, route) else { continue };
            let Some((index, service)) = service_of(config, route) else { continue };
            let (ttl, idle) = (service.ttl_sec(), service.idle_timeout_sec());
            let (field, value) = match (ttl, idle) {
                (_, 1..) => ("idleTimeoutSec", idle),
                (1..SHORT, _) => ("affinityCookieTtlSec", ttl),
                _ => continue,
            };
            let path = format!("{}sessionAffinity.{field}", plugin.service_path(index));
            let message = format!(
                "{} allows upgrades to `{upgrade}`, but an open WebSocket does not renew its session: if a page uses only \
                 its WebSocket, the session ends after {value} s",
                route.in_words()
            );
            let longer = match field {
                "idleTimeoutSec" => "(off)",
                _ => "(until the browser closes), or an hour or more",
            };
            let help = format!(
                "write `{field}: 0` {longer}, or switch upgrades off for the route: \
                 `upgrade_configs: [{{upgrade_type: {upgrade}, enabled: false}}]` in its `route`"
            );
            report.add(Level::Warning, plugin.place(&path), message, help);
        }
    }
}

/// The upgrade type that a route allows, if any.
fn upgrade<'a>(manager: &Manager<'a>, route: &Route<'a>) -> Option<&'a str> {
    let action = route.at.get("route")?;
    let enabled = |upgrade: &At<'_>| {
        !matches!(
            upgrade.get("enabled").map(|enabled| &enabled.node.value),
            Some(crate::yaml::Value::Bool(false))
        )
    };
    let kind = |upgrade: At<'a>| upgrade.text_at(&["upgrade_type"]);
    let of_route: Vec<At<'a>> = action.items_at(&["upgrade_configs"]).collect();
    if let Some(upgrade) = of_route.iter().find(|upgrade| enabled(upgrade)) {
        return kind(*upgrade);
    }
    let is_off = |upgrade: &At<'a>| {
        of_route.iter().any(|other| match (kind(*other), kind(*upgrade)) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        })
    };
    manager.at.items_at(&["upgrade_configs"]).filter(enabled).find(|upgrade| !is_off(upgrade)).and_then(kind)
}
