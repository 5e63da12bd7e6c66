//! A service of the filter: some routes, and the backends of their requests.

use minijinja::{Value, context};

use super::backends::{Backend, Backends, COOKIE};
use super::manifests::backend_config::AffinityType;
use super::pods::Target;
use super::remarks::Remarks;
use crate::source::Place;

/// The filter's limit for weights.
const MAX_WEIGHT: u128 = 1000;

/// A service of the filter: some routes, and the backends of their requests with weights.
#[derive(Debug)]
pub struct FilterService {
    /// The name of the service and of its routes.
    pub name: String,
    /// The indices of the backends, and their weights as written.
    pub backends: Vec<(usize, u32)>,
    /// The name of the cookie, if the service makes one.
    pub cookie: Option<String>,
}

impl FilterService {
    /// The backends and their weights.
    pub fn own<'b, 'a>(&self, backends: &'b Backends<'a>) -> impl Iterator<Item = (&'b Backend<'a>, u32)> {
        self.backends.iter().filter_map(|(index, weight)| Some((backends.all.get(*index)?, *weight)))
    }

    /// The backend whose policy applies to the service: the first backend with an affinity, or the first backend.
    pub fn lead<'b, 'a>(&self, backends: &'b Backends<'a>) -> Option<&'b Backend<'a>> {
        let all = || self.own(backends).map(|(backend, _)| backend);
        all().find(|backend| backend.policy.affinity_type != AffinityType::None).or_else(|| all().next())
    }

    /// Whether the service makes a cookie.
    pub fn makes_cookie(&self, backends: &Backends<'_>) -> bool {
        self.lead(backends).is_some_and(|lead| lead.policy.affinity_type == AffinityType::GeneratedCookie)
    }

    /// The `pin` of the service, if it is not the default.
    pub fn pin(&self, backends: &Backends<'_>) -> Option<&'static str> {
        let mut own = self.own(backends).map(|(backend, _)| backend);
        let is_pinned = self.cookie.is_some() && own.all(Backend::is_one_cluster);
        is_pinned.then_some(if self.backends.len() > 1 { "CLUSTER_AND_ENDPOINT" } else { "ENDPOINT" })
    }

    /// The clusters and their weights. The clusters of a backend share its weight. Two backends may have the same pods.
    fn weights(&self, backends: &Backends<'_>) -> Weights {
        let count = |backend: &Backend<'_>| backend.clusters().max(1) as u128;
        // With this factor, the share of each cluster is a whole number.
        let factor = self.own(backends).map(|(backend, _)| count(backend));
        let factor = factor.fold(1, |all, one| (all / greatest_common_divisor(all, one)).saturating_mul(one));
        let mut all: Vec<(String, u128)> = Vec::new();
        for (backend, weight) in self.own(backends) {
            let share = u128::from(weight).saturating_mul(factor / count(backend));
            let clusters = match &backend.target {
                Target::Pods(pods) => pods.iter().map(|pod| &*pod.cluster).collect(),
                _ => vec![&*backend.name],
            };
            for cluster in clusters {
                match all.iter_mut().find(|(known, _)| known == cluster) {
                    Some((_, sum)) => *sum = sum.saturating_add(share),
                    None => all.push((cluster.to_owned(), share)),
                }
            }
        }
        let is_whole = |(_, share): &(String, u128)| share % factor == 0 && share / factor <= MAX_WEIGHT;
        if all.iter().all(is_whole) {
            let all = all.into_iter().map(|(cluster, share)| (cluster, share / factor)).collect();
            return Weights { all, are_exact: true };
        }
        Weights::of(all)
    }

    /// Reports weights whose ratios the filter's limit changes.
    pub fn report_weights(&self, backends: &Backends<'_>, place: &Place, remarks: &mut Remarks) {
        let Weights { all, are_exact } = self.weights(backends);
        if !are_exact {
            let mut all: Vec<String> = all.iter().map(|(_, weight)| weight.to_string()).collect();
            let last = all.pop().unwrap_or_default();
            let written = format!("{} and {last}", all.join(", "));
            remarks.note(place.clone(), format!("the filter's weights go up to 1,000: written as {written}"));
        }
    }

    /// The service in the filter's configuration.
    pub fn to_value(&self, backends: &Backends<'_>) -> Value {
        let own = || self.own(backends);
        let policy = self.lead(backends).map(|backend| &backend.policy);
        let pin = self.pin(backends);
        let is_split = self.backends.len() > 1;
        let named = |(cluster, weight): (String, u128)| {
            if is_split {
                context! { cluster, weight }
            } else {
                Value::from(cluster)
            }
        };
        let first = own().next().map(|(backend, _)| backend);
        let is_one_cluster = first.is_some_and(Backend::is_one_cluster);
        let health = first.and_then(|backend| backend.health.as_ref()).filter(|health| !health.is_special());
        let cookie = self.cookie.as_ref().filter(|name| *name != COOKIE);
        context! {
            name => self.name,
            routes => [&self.name],
            sessionAffinity => context! {
                affinityType => policy.map(|policy| policy.affinity_type),
                affinityCookieTtlSec => policy.and_then(|policy| policy.cookie_ttl_sec),
                cookie => cookie.map(|name| context! { name }),
            },
            pin => pin,
            backends => (pin != Some("ENDPOINT"))
                .then(|| self.weights(backends).all.into_iter().map(named).collect::<Vec<_>>()),
            // With one cluster, Envoy itself picks an endpoint and knows which endpoints are healthy.
            outlierDetection => (is_one_cluster && pin.is_none() && !is_split)
                .then(|| context! { consecutiveLocalOriginFailure => 0 }),
            healthCheck => health.filter(|_| !is_one_cluster && !is_split),
        }
    }
}

/// The clusters of a service and their weights.
struct Weights {
    all: Vec<(String, u128)>,
    /// Whether the ratios are those of the written weights.
    are_exact: bool,
}

impl Weights {
    /// Whole numbers up to the filter's limit, for numbers of any size.
    fn of(all: Vec<(String, u128)>) -> Self {
        let largest = all.iter().map(|(_, number)| *number).max().unwrap_or_default();
        let divisor = all.iter().fold(0, |divisor, (_, number)| greatest_common_divisor(divisor, *number));
        let are_exact = largest <= MAX_WEIGHT.saturating_mul(divisor);
        let scaled = |number: u128| match number {
            0 => 0,
            _ if are_exact => number / divisor,
            _ => (number.saturating_mul(MAX_WEIGHT).saturating_add(largest / 2) / largest).max(1),
        };
        Self { all: all.into_iter().map(|(cluster, number)| (cluster, scaled(number))).collect(), are_exact }
    }
}

fn greatest_common_divisor(one: u128, other: u128) -> u128 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}
