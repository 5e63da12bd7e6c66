//! Which service serves which Envoy route.

use std::collections::HashMap;
use std::rc::Rc;

use fnv::FnvBuildHasher;

/// The services by the names of their routes.
#[derive(Debug)]
pub(crate) struct Routes<T> {
    by_name: HashMap<Vec<u8>, Rc<T>, FnvBuildHasher>,
    /// The service without `routes`: it serves every other route, unnamed routes too.
    default: Option<Rc<T>>,
}

impl<T> Routes<T> {
    /// Adds a service. `names` is `None` for the service that serves every other route.
    pub(crate) fn add(&mut self, names: Option<Vec<String>>, service: &Rc<T>) {
        match names {
            Some(names) => {
                let routes = names.into_iter().map(|name| (name.into_bytes(), Rc::clone(service)));
                self.by_name.extend(routes);
            }
            None => self.default = Some(Rc::clone(service)),
        }
    }

    /// Whether the choice of the service depends on the name of the route. Reading the name costs a host call.
    pub(crate) fn depend_on_name(&self) -> bool {
        !self.by_name.is_empty()
    }

    /// The service that serves the route with this name. `None` if no service serves it.
    pub(crate) fn get(&self, name: Option<&[u8]>) -> Option<&Rc<T>> {
        name.and_then(|name| self.by_name.get(name)).or(self.default.as_ref())
    }
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { by_name: HashMap::default(), default: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(default: bool) -> Routes<&'static str> {
        let mut routes = Routes::default();
        routes.add(Some(vec!["shop".to_owned(), "cart".to_owned()]), &Rc::new("shop"));
        if default {
            routes.add(None, &Rc::new("default"));
        }
        routes
    }

    #[test]
    fn a_service_serves_its_routes_and_the_one_without_routes_serves_the_rest() {
        let routes = routes(true);
        for (name, service) in [
            (Some(&b"shop"[..]), "shop"),
            (Some(b"cart"), "shop"),
            (Some(b"Shop"), "default"),
            (Some(b""), "default"),
            (Some(b"\xff"), "default"),
            (None, "default"),
        ] {
            assert_eq!(routes.get(name).map(|service| **service), Some(service), "{name:?}");
        }
    }

    #[test]
    fn a_route_that_no_service_names_is_not_served() {
        let routes = routes(false);
        assert_eq!(routes.get(Some(b"blog")), None);
        assert_eq!(routes.get(None), None);
    }

    #[test]
    fn a_single_service_without_routes_needs_no_route_name() {
        let mut routes = Routes::default();
        routes.add(None, &Rc::new("default"));
        assert!(!routes.depend_on_name());
        assert!(self::routes(true).depend_on_name());
    }
}
