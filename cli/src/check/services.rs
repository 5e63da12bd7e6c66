//! Services and the routes that they name.

use session_affinity::config::{Config, ServiceConfig};

use super::envoy::{Envoy, Route};
use super::plugin::Plugin;
use super::report::Report;
use crate::diagnostic::Level;
use crate::suggest::{listed, nearest};

/// The service of a route, with its index in the configuration.
pub fn service_of<'c>(config: &'c Config, route: &Route<'_>) -> Option<(usize, &'c ServiceConfig)> {
    let each = || config.services.iter().enumerate();
    let serves =
        |service: &ServiceConfig, name: &str| service.routes.iter().flatten().any(|route| route == name);
    let named = route.name.and_then(|name| each().find(|(_, service)| serves(service, name)));
    named.or_else(|| each().find(|(_, service)| service.routes.is_none()))
}

/// Reports services that name a route which does not exist.
pub fn check(plugin: &Plugin<'_>, config: &Config, known: &KnownRoutes<'_>, report: &mut Report) {
    let Some(known) = known else { return };
    for (index, service) in config.services.iter().enumerate() {
        for (number, name) in service.routes.iter().flatten().enumerate() {
            if known.contains(&name.as_str()) {
                continue;
            }
            let place = plugin.place(&format!("{}routes[{number}]", plugin.service_path(index)));
            let message =
                format!("the service `{}` names the route `{name}`, which does not exist", service.name);
            report.add(Level::Error, place, message, help(name, &free(known, config), known));
        }
    }
}

/// The names of all routes of a filter. `None` if some routes are not in the files.
pub type KnownRoutes<'a> = Option<Vec<&'a str>>;

/// The names of all routes on which requests pass a filter with these services. Several connection managers, also of
/// several Envoys, may have a filter each with the same services, and each some of their routes.
pub fn known_routes<'a>(envoys: &[Envoy<'a>], config: &Config) -> KnownRoutes<'a> {
    let has_same_services =
        |other: &&Plugin<'a>| other.readable().is_some_and(|other| served(other) == served(config));
    let mut names = Vec::new();
    let mut is_used = false;
    for envoy in envoys {
        for same in envoy.plugins.iter().filter(has_same_services) {
            for (manager, _) in envoy.managers_of(same) {
                if !manager.routes_known {
                    return None;
                }
                is_used = true;
                names.extend(manager.routes.iter().filter_map(|route| route.name));
            }
        }
    }
    is_used.then_some(names)
}

/// The names of the services, each with its routes.
fn served(config: &Config) -> Vec<(&str, Option<&[String]>)> {
    config.services.iter().map(|service| (service.name.as_str(), service.routes.as_deref())).collect()
}

/// The routes that no service names.
fn free<'a>(known: &[&'a str], config: &Config) -> Vec<&'a str> {
    let is_named = |route: &str| {
        let mut named = config.services.iter().flat_map(|service| service.routes.iter().flatten());
        named.any(|name| name == route)
    };
    // Several virtual hosts may have a route of the same name.
    let mut free: Vec<&str> = Vec::new();
    for route in known.iter().copied().filter(|route| !is_named(route)) {
        if !free.contains(&route) {
            free.push(route);
        }
    }
    free
}

/// The free route that a service probably means: the most similar name, or the only one.
fn meant<'a>(name: &str, free: &[&'a str]) -> Option<&'a str> {
    let only = || if let [only] = free { Some(*only) } else { None };
    nearest(name, free.iter().copied()).or_else(only)
}

/// A service that probably means this route, and the wrong name of the route in the service.
pub fn misspelling<'c>(
    known: &KnownRoutes<'_>,
    config: &'c Config,
    route: &str,
) -> Option<(&'c ServiceConfig, &'c str)> {
    let known = known.as_ref()?;
    let free = free(known, config);
    let names = |service: &'c ServiceConfig| service.routes.iter().flatten().map(String::as_str);
    let is_meant = |name: &&str| !known.contains(name) && meant(name, &free) == Some(route);
    config.services.iter().find_map(|service| Some((service, names(service).find(is_meant)?)))
}

/// The only name of a route that a service has and no route, and the service.
pub fn only_missing<'c>(known: &KnownRoutes<'_>, config: &'c Config) -> Option<(&'c ServiceConfig, &'c str)> {
    let known = known.as_ref()?;
    let names =
        |service: &'c ServiceConfig| service.routes.iter().flatten().map(move |name| (service, &**name));
    let mut missing = config.services.iter().flat_map(names).filter(|(_, name)| !known.contains(name));
    missing.next().filter(|_| missing.next().is_none())
}

fn help(name: &str, free: &[&str], known: &[&str]) -> String {
    let at_route = format!("`name: {name}` at the route that the service serves");
    if let Some(near) = nearest(name, free.iter().copied()) {
        return format!("write `{near}`; the routes are {}", listed(known.iter().copied()));
    }
    match free {
        [only] => format!("write `{only}`, or {at_route}"),
        [] if known.is_empty() => format!("no route has a name: write {at_route}"),
        [] => format!("write {at_route}"),
        _ => format!("write {at_route}, or one of {}", listed(free.iter().copied())),
    }
}
