//! A service of the filter: some routes, and the backends of their requests.

use minijinja::{Value, context};

use super::backends::{Backend, Backends, COOKIE};
use super::manifests::backend_config::AffinityType;
use super::pods::Target;

/// The filter's limit for weights.
pub const MAX_WEIGHT: u32 = 1000;

/// A service of the filter: some routes, and the backends of their requests with weights.
#[derive(Debug)]
pub struct FilterService {
    /// The name of the service and of its routes.
    pub name: String,
    /// The indices of the backends, and their weights.
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

    /// The service in the filter's configuration.
    pub fn to_value(&self, backends: &Backends<'_>) -> Value {
        let own = || self.own(backends);
        let policy = self.lead(backends).map(|backend| &backend.policy);
        let pin = self.pin(backends);
        let shares = shares(&own().map(|(backend, weight)| (backend.clusters(), weight)).collect::<Vec<_>>());
        let clusters = own().zip(shares).flat_map(|((backend, _), share)| match &backend.target {
            Target::Pods(pods) => pods.iter().map(|pod| (pod.cluster.clone(), share)).collect(),
            _ => vec![(backend.name.clone(), share)],
        });
        // Two Services may have the same pods.
        let mut weights: Vec<(String, u32)> = Vec::new();
        for (cluster, share) in clusters {
            match weights.iter_mut().find(|(known, _)| *known == cluster) {
                Some((_, weight)) => *weight = weight.saturating_add(share).min(MAX_WEIGHT),
                None => weights.push((cluster, share)),
            }
        }
        let is_split = self.backends.len() > 1;
        let named = |(cluster, weight): (String, u32)| {
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
            backends => (pin != Some("ENDPOINT")).then(|| weights.into_iter().map(named).collect::<Vec<_>>()),
            // With one cluster, Envoy itself picks an endpoint and knows which endpoints are healthy.
            outlierDetection => (is_one_cluster && pin.is_none() && !is_split)
                .then(|| context! { consecutiveLocalOriginFailure => 0 }),
            healthCheck => health.filter(|_| !is_one_cluster && !is_split),
        }
    }
}

/// The weight of each cluster. `services` has the number of clusters and the weight of each Service. The clusters of a
/// Service share its weight. The filter accepts whole numbers up to 1,000.
fn shares(services: &[(usize, u32)]) -> Vec<u32> {
    let counts = || services.iter().map(|(clusters, _)| u32::try_from(*clusters).unwrap_or(u32::MAX).max(1));
    let weights = || services.iter().map(|(_, weight)| *weight);
    if counts().all(|count| Some(count) == counts().next()) {
        return weights().collect();
    }
    if weights().zip(counts()).all(|(weight, count)| weight % count == 0) {
        return weights().zip(counts()).map(|(weight, count)| weight / count).collect();
    }
    let exact = || weights().zip(counts()).map(|(weight, count)| f64::from(weight) / f64::from(count));
    let largest = exact().fold(f64::MIN_POSITIVE, f64::max);
    let scaled = exact().map(|share| {
        if share > 0.0 { (share / largest * f64::from(MAX_WEIGHT)).round().max(1.0) } else { 0.0 }
    });
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1,000")]
    scaled.map(|share| share as u32).collect()
}
