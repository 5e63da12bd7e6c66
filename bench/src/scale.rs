//! Instructions of a pinned request with more backends and services.

use anyhow::Result;
use harness::config::Bootstrap;
use serde_json::{Value, json};

use crate::backends::Backends;
use crate::client::{Behaviour, COOKIE};
use crate::instructions::{self, Cost, Effort};
use crate::subjects::{self, Kind, Plugin, Subject};

/// The dimension that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Backends of the service.
    Backends,
    /// Services of the configuration.
    Services,
}

/// One measurement.
#[derive(Clone, Debug)]
pub struct Point {
    /// The dimension.
    pub dimension: Dimension,
    /// The number of backends or services.
    pub amount: u32,
    /// The cost.
    pub cost: Cost,
}

/// Measures both dimensions.
pub async fn measure(backends: &Backends, quick: bool, effort: Effort) -> Result<Vec<Point>> {
    let (of_backends, of_services): (&[u32], &[u32]) =
        if quick { (&[2, 1_000], &[]) } else { (&[2, 100, 10_000], &[1, 2, 1_000]) };
    let of_backends = of_backends.iter().map(|&amount| (Dimension::Backends, amount));
    let planned = of_backends.chain(of_services.iter().map(|&amount| (Dimension::Services, amount)));
    let planned: Vec<(Dimension, u32)> = planned.collect();
    let subject = |&(dimension, amount): &(Dimension, u32)| match dimension {
        Dimension::Backends => many_backends(backends, amount),
        Dimension::Services => many_services(backends, amount),
    };
    let costs = instructions::measure("scale", planned.iter().map(subject).collect(), effort).await?;
    let points = planned.into_iter().zip(costs);
    Ok(points.map(|((dimension, amount), cost)| Point { dimension, amount, cost }).collect())
}

/// The points of one dimension, and by how many percent each costs more than the first point with two or more.
pub fn growth(points: &[Point], dimension: Dimension) -> Vec<(&Point, f64)> {
    let points = points.iter().filter(|point| point.dimension == dimension);
    let first = points.clone().find(|point| point.amount >= 2).map_or(f64::NAN, |point| point.cost.median());
    points.map(|point| (point, (point.cost.median() / first - 1.0) * 100.0)).collect()
}

/// `amount` clusters, each with one of the three backends.
fn many_backends(backends: &Backends, amount: u32) -> Subject {
    let addresses = backends.addresses();
    let names: Vec<String> = (0..amount).map(|index| format!("neg-demo-{index}")).collect();
    let mut bootstrap = Bootstrap::new().filter(Plugin::pinned(names.iter().map(String::as_str)).json());
    for (name, address) in names.iter().zip(addresses.iter().cycle()) {
        bootstrap = bootstrap.cluster(name, &[*address]);
    }
    Subject::new(format!("{amount} backends"), Kind::Ours, bootstrap, Behaviour::Returning)
}

/// `amount` services, each with a route. The route of the requests is the first in Envoy and the last in the filter.
fn many_services(backends: &Backends, amount: u32) -> Subject {
    let names: Vec<&str> = backends.names().collect();
    let service = |index: u32| {
        let cookie = if index == 0 { COOKIE.to_owned() } else { format!("{COOKIE}{index}") };
        let mut service = json!({
            "name": format!("service-{index}"),
            "sessionAffinity": subjects::generated_cookie(&cookie),
            "backends": names,
            "outlierDetection": { "consecutiveLocalOriginFailure": 0 },
        });
        if amount > 1 {
            service["routes"] = json!([format!("route-{index}")]);
        }
        service
    };
    let services: Vec<Value> = (0..amount).rev().map(service).collect();
    let plugin = json!({ "services": services, "keys": subjects::keys() });
    let mut bootstrap = subjects::clusters(backends).filter(&plugin);
    for index in 0..amount {
        let prefix = if index == 0 { "/".to_owned() } else { format!("/{index}") };
        bootstrap = bootstrap.route(json!({
            "name": format!("route-{index}"),
            "match": { "prefix": prefix },
            "route": { "cluster_header": "x-affinity-cluster" },
        }));
    }
    Subject::new(format!("{amount} services"), Kind::Ours, bootstrap, Behaviour::Returning)
}
