//! The manifests of a GKE Ingress as an Envoy configuration with the session-affinity filter.
//!
//! A Deployment, a BackendConfig, a Service and an Ingress describe a balancer: a table of hosts and paths, and behind it
//! services with an affinity each. [`convert`] reads them as GKE's controller does, and writes the same balancer for
//! Envoy. What has no equal there is in the [`report`].

#![allow(clippy::arithmetic_side_effects, reason = "no part of the module")]

mod balancer;
mod document;
mod envoy;
mod headers;
mod health;
mod manifest;
mod options;
mod pods;
mod reader;
pub mod report;
mod url_map;
mod yaml;

pub use self::envoy::{Configuration, EndpointFile};
pub use self::manifest::Source;
pub use self::options::{Address, Endpoints, Host, Options};
use self::report::Report;

/// Reads manifests and writes a configuration. Where the report has errors, there is none.
#[must_use]
pub fn convert(sources: &[Source], options: &Options) -> (Option<Configuration>, Report) {
    let mut report = Report::default();
    let manifests = manifest::Manifests::read(sources, &mut report);
    // What a mistaken manifest seems to lack would only be another mistake of the same.
    if report.errors() > 0 {
        return (None, report);
    }
    let balancer = balancer::Balancer::of(&manifests, options, &mut report);
    if report.errors() > 0 {
        return (None, report);
    }
    let configuration = balancer.map(|balancer| envoy::write(&balancer, options, &mut report));
    (configuration.filter(|_| report.errors() == 0), report)
}
