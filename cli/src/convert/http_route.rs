//! The rules of an `HTTPRoute`: their routes in Envoy, and their services in the filter.

use serde_saphyr::Spanned;

use super::backends::{Backends, Reference};
use super::configuration::{Changes, Match, Route};
use super::manifests::HttpRoute;
use super::manifests::fields::PortRef;
use super::manifests::gateway::{BackendRef, RouteRule};
use super::remarks::Remarks;
use super::route_filters::{self, Redirect};
use super::route_match::{self, Precedence};
use crate::source::Place;

/// A route of a host, and its precedence among the routes of this host.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub precedence: Precedence,
    pub shape: Match,
    pub route: Route,
    pub redirect: Option<Redirect>,
    /// The place of the match, or of the rule.
    pub place: Place,
}

/// Converts the rules of all `HTTPRoute`s.
#[derive(Debug)]
pub struct Converter<'a> {
    pub backends: Backends<'a>,
    pub shortest_timeout_ms: u64,
}

impl Converter<'_> {
    /// The routes of an `HTTPRoute`: one for each match of each rule.
    pub fn candidates(&mut self, route: &HttpRoute, remarks: &mut Remarks) -> Vec<Candidate> {
        let mut splits = Vec::new();
        let mut all = Vec::new();
        for (index, rule) in route.spec.rules.iter().flatten().enumerate() {
            all.extend(self.of_rule(route, index, rule, &mut splits, remarks));
        }
        all
    }

    /// The routes of a rule. `splits` are the services of earlier rules with several backends.
    fn of_rule(
        &mut self,
        route: &HttpRoute,
        index: usize,
        rule: &Spanned<RouteRule>,
        splits: &mut Vec<usize>,
        remarks: &mut Remarks,
    ) -> Vec<Candidate> {
        let RouteRule { matches, filters, timeouts, session_persistence, retry, .. } = &rule.value;
        let unread = [
            (session_persistence, "GKE ignores this field: use a GCPBackendPolicy"),
            (retry, "GKE ignores this field; the written Envoy retries only requests that reached no pod"),
        ];
        for (field, why) in unread {
            if let Some(field) = field {
                remarks.not_carried_over(route.at(field), why);
            }
        }
        let timeout = timeouts.as_ref().and_then(|timeouts| timeouts.request.or(timeouts.backend_request));
        let timeout = timeout.map(|timeout| timeout.0);
        self.shortest_timeout_ms =
            self.shortest_timeout_ms.min(timeout.filter(|ms| *ms > 0).unwrap_or(u64::MAX));
        let is_redirect = filters.iter().flatten().any(|filter| filter.value.kind == "RequestRedirect");
        let has_backends = rule.value.backend_refs.iter().flatten().next().is_some();
        if is_redirect && has_backends {
            let message = "a rule with a RequestRedirect sends no request to its backends";
            remarks.error(route.at(rule), message, "leave out the filter or the backendRefs");
            return Vec::new();
        }
        let service = self.service(route, index, rule, splits, remarks);
        let matches = matches.iter().flatten().map(Some);
        let matches: Vec<_> = matches.collect();
        let matches = if matches.is_empty() { vec![None] } else { matches };
        let mut candidates = Vec::new();
        for one in matches {
            let (shape, precedence) = route_match::converted(route, one, remarks);
            let mut changes = Changes { timeout_ms: timeout, ..Changes::default() };
            let mut redirect = None;
            for filter in filters.iter().flatten() {
                redirect = route_filters::apply(route, filter, &shape, &mut changes, remarks).or(redirect);
            }
            let service = service.and_then(|index| self.backends.services.get(index));
            let new = match (&redirect, service) {
                (Some(redirect), _) => {
                    let action = redirect.action.clone();
                    let new = Route::without_service("redirect", &shape, "redirect", action);
                    Route { headers: changes.headers.of_response(), ..new }
                }
                (None, Some(service)) => Route::to(&shape, service, &self.backends, changes),
                (None, None) => Route::not_found(&shape),
            };
            let place = one.map_or_else(|| route.at(rule), |one| route.at(one));
            candidates.push(Candidate { precedence, shape, route: new, redirect, place });
        }
        candidates
    }

    /// The service of the filter for a rule, with one or several Services as backends. `None` if the rule has no
    /// backends.
    fn service(
        &mut self,
        route: &HttpRoute,
        index: usize,
        rule: &Spanned<RouteRule>,
        splits: &mut Vec<usize>,
        remarks: &mut Remarks,
    ) -> Option<usize> {
        let mut weighted: Vec<(usize, u32)> = Vec::new();
        for backend in rule.value.backend_refs.iter().flatten() {
            for filter in backend.value.filters.iter().flatten() {
                remarks.not_carried_over(
                    route.at(filter),
                    "a filter of a single backend is not supported: write the filter for the whole rule",
                );
            }
            let reference = reference(route, backend, remarks)?;
            let weight = backend.value.weight.map_or(1, |weight| weight.0);
            let new = self.backends.backend(&reference, remarks)?;
            match weighted.iter_mut().find(|(known, _)| *known == new) {
                Some((_, sum)) => *sum = sum.saturating_add(weight),
                None => weighted.push((new, weight)),
            }
        }
        let largest = weighted.iter().map(|(_, weight)| *weight).max()?;
        if largest == 0 {
            let message = "all backends of this rule have weight 0: no request is sent anywhere";
            remarks.error(route.at(rule), message, "give one of them a weight");
            return None;
        }
        if let [(only, _)] = &*weighted {
            return self.backends.add_one(*only, remarks);
        }
        let is_same = |known: &&usize| {
            self.backends.services.get(**known).is_some_and(|service| service.backends == weighted)
        };
        if let Some(known) = splits.iter().find(is_same) {
            return Some(*known);
        }
        let name = self.split_name(route, index);
        let new = self.backends.add_split(name, weighted, &route.at(rule), remarks);
        splits.push(new);
        Some(new)
    }

    /// The name of a service with several backends: the name of the `HTTPRoute`, and an ending that no Service has.
    fn split_name(&self, route: &HttpRoute, index: usize) -> String {
        let suffix = if index == 0 { "_split".to_owned() } else { format!("_split_{index}") };
        // The name of an HTTPRoute may have dots, and the name of a service may not.
        let name = route.name().replace('.', "_");
        self.backends.pods.service_name(route.namespace(), &name, &suffix)
    }
}

fn reference(route: &HttpRoute, backend: &Spanned<BackendRef>, remarks: &mut Remarks) -> Option<Reference> {
    let BackendRef { kind, name, namespace, port, .. } = &backend.value;
    if let Some(kind) = kind.as_ref().filter(|kind| kind.value != "Service") {
        let message = format!("a {} is not supported as a backend", kind.value);
        remarks.error(route.at(kind), message, "write a Service");
        return None;
    }
    let Some(port) = port else {
        remarks.error(route.at(backend), "missing field `port`", "add the number of the Service's port");
        return None;
    };
    Some(Reference {
        namespace: namespace.as_deref().unwrap_or(route.namespace()).to_owned(),
        service: name.value.clone(),
        port: PortRef::Number(port.value.number()),
        place: route.at(name),
        port_place: route.at(port),
    })
}
