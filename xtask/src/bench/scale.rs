//! What a request costs with more of everything.

use anyhow::Result;
use harness::config::Bootstrap;
use serde_json::{Value, json};

use super::backends::Backends;
use super::instructions::{self, Cost, Effort};
use super::subjects::{
    Behaviour, Kind, PINNED, Plugin, REFERENCE, Subject, no_filter, pinned, stateful_session,
};

/// What there is more and more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Backends of the service.
    Backends,
    /// Services of the configuration.
    Services,
    /// Bytes of the Cookie header before the session's.
    Cookies,
}

/// One measurement.
#[derive(Clone, Debug)]
pub struct Point {
    /// Of what.
    pub dimension: Dimension,
    /// Which filter.
    pub series: &'static str,
    /// How many.
    pub amount: u32,
    /// The cost.
    pub cost: Cost,
}

/// Of what, which filter, how many; and what is measured for it.
type Planned = (Dimension, &'static str, u32, Subject);

/// How far to go.
pub struct Amounts {
    backends: &'static [u32],
    services: &'static [u32],
    cookies: &'static [u32],
    /// Whether [`REFERENCE`] is measured with more cookies too.
    reference: bool,
}

impl Amounts {
    /// All of it.
    pub const FULL: Self = Self {
        backends: &[2, 10, 100, 1_000, 10_000],
        services: &[1, 2, 10, 1_000],
        cookies: &[100, 1_024, 8_192, 61_440],
        reference: true,
    };
    /// The ends that start quickly.
    pub const QUICK: Self =
        Self { backends: &[2, 1_000], services: &[], cookies: &[100, 8_192], reference: false };
}

/// The series of [`Dimension::Cookies`] beside [`PINNED`].
pub const SERIES: [&str; 2] = ["no filter", REFERENCE];

/// Measures each dimension.
pub async fn measure(backends: &Backends, amounts: &Amounts, effort: Effort) -> Result<Vec<Point>> {
    let mut planned: Vec<Planned> = Vec::new();
    for &amount in amounts.backends {
        planned.push((Dimension::Backends, PINNED, amount, many_backends(backends, amount)));
    }
    for &amount in amounts.services {
        planned.push((Dimension::Services, PINNED, amount, many_services(backends, amount)));
    }
    for &amount in amounts.cookies {
        let ours = Subject::new(
            PINNED,
            Kind::Ours,
            large_headers(super::subjects::clusters(backends).filter(pinned(backends.names()).json())),
            Behaviour::Returning,
        );
        let with_cookies = |mut subject: Subject| {
            subject.config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
                ["max_request_headers_kb"] = 96.into();
            subject.other_cookies = filler(amount);
            subject.name = format!("{}, {amount} bytes of cookies", subject.name);
            subject
        };
        for (series, subject) in
            [(SERIES[0], no_filter(backends)), (SERIES[1], stateful_session(backends)), (PINNED, ours)]
        {
            if series != REFERENCE || amounts.reference {
                planned.push((Dimension::Cookies, series, amount, with_cookies(subject)));
            }
        }
    }
    // A byte's cost is the slope of a long line: one run of each point tells it.
    let (cookies, flat): (Vec<_>, Vec<_>) =
        planned.into_iter().partition(|(dimension, ..)| *dimension == Dimension::Cookies);
    let subjects = |planned: &[Planned]| planned.iter().map(|(_, _, _, subject)| subject.clone()).collect();
    let mut costs = instructions::measure("scale", subjects(&flat), effort).await?;
    let once = Effort { runs: 1, ..effort };
    costs.extend(instructions::measure("cookies", subjects(&cookies), once).await?);
    let planned = flat.into_iter().chain(cookies);
    let points = planned.zip(costs);
    let points =
        points.map(|((dimension, series, amount, _), cost)| Point { dimension, series, amount, cost });
    Ok(points.collect())
}

fn large_headers(bootstrap: Bootstrap) -> Bootstrap {
    bootstrap.hcm(|manager| manager["max_request_headers_kb"] = 96.into())
}

/// So many clusters, which end at the same three backends.
fn many_backends(backends: &Backends, amount: u32) -> Subject {
    let addresses = backends.addresses();
    let names: Vec<String> = (0..amount).map(|index| format!("neg-demo-{index}")).collect();
    let mut bootstrap = Bootstrap::new().filter(pinned(names.iter().map(String::as_str)).json());
    for (name, address) in names.iter().zip(addresses.iter().cycle()) {
        bootstrap = bootstrap.cluster(name, &[*address]);
    }
    Subject::new(format!("{amount} backends"), Kind::Ours, bootstrap, Behaviour::Returning)
}

/// So many services with a route each; the request's is Envoy's first and the filter's last.
fn many_services(backends: &Backends, amount: u32) -> Subject {
    let names: Vec<&str> = backends.names().collect();
    let service = |index: u32| {
        let cookie = if index == 0 { "GCLB".to_owned() } else { format!("GCLB{index}") };
        let mut service = json!({
            "name": format!("service-{index}"),
            "routes": [format!("route-{index}")],
            "sessionAffinity": {
                "affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 1_209_600, "cookie": { "name": cookie },
            },
            "backends": names,
            "outlierDetection": { "consecutiveLocalOriginFailure": 0 },
        });
        if amount == 1 {
            // One service alone: every route is its own.
            service["routes"].take();
            if let Value::Object(fields) = &mut service {
                fields.remove("routes");
            }
        }
        service
    };
    let services: Vec<Value> = (0..amount).rev().map(service).collect();
    let plugin = Plugin::new(&json!({}), [])
        .with("sessionAffinity", None)
        .with("backends", None)
        .with("outlierDetection", None)
        .with("services", Some(services.into()));
    let mut bootstrap = super::subjects::clusters(backends).filter(plugin.json());
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

/// Cookies as applications set them, of so many bytes in all.
fn filler(bytes: u32) -> String {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut cookies = String::new();
    for index in 0.. {
        let cookie = format!("preference_{index}=b1946ac92492d2347c6235b4d2611184; ");
        if cookies.len() + cookie.len() > bytes {
            break;
        }
        cookies.push_str(&cookie);
    }
    let rest = bytes.saturating_sub(cookies.len() + 2);
    cookies.push_str("p=");
    cookies.extend(std::iter::repeat_n('x', rest));
    cookies
}
