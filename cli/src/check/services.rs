//! Services and the routes that they name.

use session_affinity::config::{Config, ServiceConfig};

use super::envoy::{Envoy, Route};
use super::plugin::Plugin;
use super::report::Report;
use super::suggest::{listed, nearest};
use crate::diagnostic::Level;

/// The service of a route, with its index in the configuration.
pub fn service_of<'c>(config: &'c Config, route: &Route<'_>) -> Option<(usize, &'c ServiceConfig)> {
    let each = || config.services.iter().enumerate();
    let serves =
        |service: &ServiceConfig, name: &str| service.routes.iter().flatten().any(|route| route == name);
    let named = route.name.and_then(|name| each().find(|(_, service)| serves(service, name)));
    named.or_else(|| each().find(|(_, service)| service.routes.is_none()))
}

/// Reports services that name a route which does not exist.
pub fn check(envoy: &Envoy<'_>, plugin: &Plugin<'_>, config: &Config, report: &mut Report) {
    let Some(known) = route_names(envoy, plugin) else { return };
    for (index, service) in config.services.iter().enumerate() {
        for (number, name) in service.routes.iter().flatten().enumerate() {
            if known.contains(&name.as_str()) {
                continue;
            }
            let place = plugin.place(&format!("{}routes[{number}]", plugin.service_path(index)));
            let message =
                format!("the service `{}` names the route `{name}`, which does not exist", service.name);
            report.add(Level::Error, place, message, help(name, &known));
        }
    }
}

/// The names of all routes, unless some routes are not in the files.
fn route_names<'a>(envoy: &Envoy<'a>, plugin: &Plugin<'a>) -> Option<Vec<&'a str>> {
    let managers: Vec<_> = envoy.managers_of(plugin).map(|(manager, _)| manager).collect();
    if managers.is_empty() || managers.iter().any(|manager| !manager.routes_known) {
        return None;
    }
    Some(managers.iter().flat_map(|manager| &manager.routes).filter_map(|route| route.name).collect())
}

/// A service that probably means this route, and the wrong name of the route in the service.
pub fn misspelling<'c>(
    envoy: &Envoy<'_>,
    plugin: &Plugin<'_>,
    config: &'c Config,
    route: &str,
) -> Option<(&'c ServiceConfig, &'c str)> {
    let known = route_names(envoy, plugin)?;
    let names = |service: &'c ServiceConfig| service.routes.iter().flatten().map(String::as_str);
    let is_meant = |name: &&str| !known.contains(name) && nearest(name, known.iter().copied()) == Some(route);
    config.services.iter().find_map(|service| Some((service, names(service).find(is_meant)?)))
}

fn help(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("write `{near}`; the routes are {}", listed(known.iter().copied())),
        None if known.is_empty() => {
            format!("no route has a name: write `name: {name}` at the route that the service serves")
        }
        None => format!(
            "write `name: {name}` at the route that the service serves, or one of {}",
            listed(known.iter().copied())
        ),
    }
}
